/** One row for each group, and the way to its calls. */
import { useState } from "react";
import { Link } from "wouter";
import type { Sum } from "~/api/usage";
import { withQuery } from "~/api/client";
import { useQueryState } from "~/app/query-state";
import { Banner } from "~/components/states";
import { type Column, Pager, Table } from "~/components/Table";
import { useFormat, useT } from "~/i18n";
import { type Group, sorted, SORTS } from "./series";

/** Rows that are drawn at once. */
const PAGE = 100;

export function Sums({ sums, by, cut }: { sums: readonly Sum[]; by: Group; cut: boolean }) {
  const t = useT("usage");
  const query = useQueryState();
  const first = by === "day" ? "-name" : "-calls";
  const asked = query.get("sort") ?? first;
  const sort = SORTS.some((each) => asked.replace(/^-/, "") === each) ? asked : first;
  const [page, setPage] = useState(0);
  const rows = sorted(sums, by, sort);
  const from = Math.min(page, Math.floor((rows.length - 1) / PAGE)) * PAGE;
  const shown = rows.slice(from, from + PAGE);
  const columns = useColumns(sums, by);
  return (
    <section className="stack" aria-label={t.groups[by]}>
      {cut && <Banner tone="warn">{t.cut}</Banner>}
      <Table label={t.groups[by]} columns={columns} rows={shown} rowKey={(sum) => sum.group[by] ?? ""} sort={sort} onSort={(next) => query.set({ sort: next === first ? null : next })} />
      {rows.length > PAGE && (
        <Pager from={from + 1} to={from + shown.length} total={rows.length} onPrevious={from ? () => setPage(from / PAGE - 1) : undefined} onNext={from + PAGE < rows.length ? () => setPage(from / PAGE + 1) : undefined} />
      )}
    </section>
  );
}

function useColumns(sums: readonly Sum[], by: Group): Column<Sum>[] {
  const t = useT("usage");
  const format = useFormat();
  const most = Math.max(1, ...sums.map((sum) => sum.calls));
  const number = (id: (typeof SORTS)[number], header: string, value: (sum: Sum) => string): Column<Sum> => ({ id, header, end: true, sortable: true, cell: (sum) => value(sum) });
  const calls: Column<Sum> = {
    id: "calls",
    header: t.columns.calls,
    end: true,
    sortable: true,
    cell: (sum) => (
      <span className="usage-share">
        <span className="usage-share-bar" aria-hidden="true">
          <span style={{ width: `${(sum.calls / most) * 100}%` }} />
        </span>
        <span className="usage-count">{format.number(sum.calls)}</span>
      </span>
    ),
  };
  return [
    { id: "name", header: t.groups[by], sortable: true, cell: (sum) => <Name group={sum.group[by] ?? null} by={by} /> },
    calls,
    number("errors", t.columns.errors, (sum) => (sum.errors ? `${format.number(sum.errors)} (${format.percent(sum.errors / Math.max(1, sum.calls), 1)})` : "0")),
    number("input", t.columns.input, (sum) => format.number(sum.input_tokens)),
    number("output", t.columns.output, (sum) => format.number(sum.output_tokens)),
    number("cost", t.columns.cost, (sum) => (sum.cost_usd === null ? "–" : format.money(sum.cost_usd))),
    number("p50", "p50", (sum) => format.duration(Math.round(sum.latency_ms_p50))),
    number("p95", "p95", (sum) => format.duration(Math.round(sum.latency_ms_p95))),
  ];
}

function Name({ group, by }: { group: string | null; by: Group }) {
  const t = useT("usage");
  const format = useFormat();
  const query = useQueryState();
  if (group === null) return <span className="faint">{t.none}</span>;
  if (by === "day") return <span className="nowrap">{format.date(Date.parse(`${group}T12:00`))}</span>;
  if (by !== "endpoint" && by !== "user") return <span className="break">{group}</span>;
  const window = { period: query.get("period") ?? "month", from: query.get("from"), to: query.get("to") };
  return (
    <Link className="primary break" href={withQuery("/calls", { ...window, [by]: group })} title={t.toCalls}>
      {group}
    </Link>
  );
}
