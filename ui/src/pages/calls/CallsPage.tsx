/** The log of calls: filters in the address, a page at a time, or as they end. */
import { useEffect } from "react";
import { type Call, type CallFilter, CALLS_PAGE, useCalls } from "~/api/calls";
import { useQueryState } from "~/app/query-state";
import { Badge } from "~/components/Badge";
import { Button, IconButton } from "~/components/Button";
import { EndpointFilter } from "~/components/usage/EndpointFilter";
import { FilterField } from "~/components/FilterField";
import { Select, Switch } from "~/components/fields";
import { Page } from "~/components/Page";
import { PeriodField, usePeriod } from "~/components/Period";
import { Banner, EmptyState, ErrorNote, Skeleton } from "~/components/states";
import { type Column, Pager, Table } from "~/components/Table";
import { NotCounted, NothingCounted } from "~/components/usage/Tracking";
import { usePages } from "~/components/use-pages";
import { useFormat, useT } from "~/i18n";
import { CallDrawer } from "./CallDrawer";
import { Ended } from "./Ended";
import { ExportMenu } from "./ExportMenu";
import { type Followed, useFollow } from "./use-follow";
import "./calls.css";

const STATUSES = ["ok", "error", "cancelled", "4xx", "5xx", "429"] as const;

export default function CallsPage() {
  const t = useT("calls");
  const query = useQueryState();
  const period = usePeriod("all");
  const filter: CallFilter = { endpoint: query.get("endpoint"), user: query.get("user"), status: query.get("status"), since: period.since, until: period.until, q: query.get("q") };
  const follow = query.get("follow") === "1";
  return (
    <Page title={t.title} help={t.help} actions={<ExportMenu filter={filter} />}>
      <div className="calls-filters">
        <EndpointFilter />
        <FilterField name="user" label={t.user} />
        <Select label={t.status} value={filter.status ?? ""} onChange={(id) => query.set({ status: id || null })} choices={statusChoices(t, filter.status)} />
        <PeriodField first="all" period={period} />
        <FilterField name="q" label={t.search} />
        <Switch label={t.follow} on={follow} onChange={(on) => query.set({ follow: on ? "1" : null })} />
      </div>
      <Log filter={filter} follow={follow} />
      <CallDrawer id={query.get("call")} onClose={() => query.set({ call: null })} />
    </Page>
  );
}

function statusChoices(t: ReturnType<typeof useT<"calls">>, asked: string | null) {
  const known = STATUSES.map((id) => ({ id: id as string, label: t.statuses[id] }));
  const other = asked !== null && !known.some((each) => each.id === asked) ? [{ id: asked, label: asked }] : [];
  return [{ id: "", label: t.any }, ...known, ...other];
}

function Log({ filter, follow }: { filter: CallFilter; follow: boolean }) {
  const words = useT("components");
  const query = useQueryState();
  const pages = usePages(JSON.stringify(filter));
  const found = useCalls(filter, pages.token);
  const followed = useFollow(filter, follow);
  useCatchUp(follow, found.refetch);
  const open = (call: Call) => query.set({ call: call.request_id }, true);
  if (found.error) return <ErrorNote error={found.error} retry={() => void found.refetch()} />;
  if (!found.data) return <Skeleton lines={8} />;
  const { calls, next_page_token: next } = found.data;
  const rows = follow && !pages.previous ? merged(followed.calls, calls) : calls;
  const filtered = Object.values(filter).some((value) => value !== null);
  const clear = () => query.set({ endpoint: null, user: null, status: null, period: null, from: null, to: null, q: null });
  return (
    <>
      {follow && <FollowNote followed={followed} empty={!rows.length} />}
      {!rows.length && filtered && (
        <EmptyState title={words.nothingMatches} action={<Button onPress={clear}>{words.clearFilters}</Button>}>
          {words.nothingMatchesHelp}
        </EmptyState>
      )}
      {!rows.length && !filtered && <NothingCounted />}
      {rows.length > 0 && (
        <>
          <CallTable rows={rows} selected={query.get("call")} onOpen={open} busy={found.isFetching} />
          <div className="row">
            <div className="grow">
              <Pager from={pages.offset + 1} to={pages.offset + rows.length} total={next || pages.offset >= CALLS_PAGE ? null : rows.length} onPrevious={pages.previous} onNext={next ? () => pages.next(next, calls.length) : undefined} />
            </div>
            <IconButton icon="refresh" label={words.refresh} onPress={() => void found.refetch()} />
          </div>
          <NotCounted />
        </>
      )}
    </>
  );
}

/** The server begins to watch within a second: what ended between the page and that is asked for once more. */
function useCatchUp(follow: boolean, refetch: () => unknown): void {
  useEffect(() => {
    if (!follow) return;
    const timer = setTimeout(() => void refetch(), 1_500);
    return () => clearTimeout(timer);
  }, [follow, refetch]);
}

/** New calls on top of the page, each once. */
function merged(fresh: readonly Call[], page: readonly Call[]): Call[] {
  const seen = new Set(fresh.map((call) => call.request_id));
  return [...fresh, ...page.filter((call) => !seen.has(call.request_id))].slice(0, 2 * CALLS_PAGE);
}

function FollowNote({ followed, empty }: { followed: Followed; empty: boolean }) {
  const t = useT("calls");
  if (followed.error) return <ErrorNote error={followed.error} />;
  if (followed.lost !== 0) return <Banner tone="warn">{t.lost(followed.lost)}</Banner>;
  return empty || !followed.calls.length ? <Banner tone="info">{t.following}</Banner> : null;
}

function CallTable({ rows, selected, onOpen, busy }: { rows: readonly Call[]; selected: string | null; onOpen(call: Call): void; busy: boolean }) {
  const t = useT("calls");
  const columns = useColumns(onOpen, rows.some((call) => call.cost_usd !== null));
  return (
    <div className="calls-log">
      <Table label={t.title} columns={columns} rows={rows} rowKey={(call) => call.request_id} onOpen={onOpen} selected={selected} busy={busy} />
    </div>
  );
}

function useColumns(onOpen: (call: Call) => void, withCost: boolean): Column<Call>[] {
  const t = useT("calls");
  const format = useFormat();
  const time = (call: Call) => (
    <button type="button" className="row-open nowrap nums" onClick={() => onOpen(call)}>
      {format.exact(call.time)}
    </button>
  );
  const target = (call: Call) => (
    <span className="stack tight">
      <span className="truncate" title={call.endpoint}>
        {call.endpoint}
      </span>
      {call.entity !== null && call.entity !== call.endpoint && <small className="faint truncate" title={call.entity}>{call.entity}</small>}
    </span>
  );
  const user = (call: Call) => (
    <span className="truncate" title={call.user}>
      {call.user}
    </span>
  );
  const ended = (call: Call) => (
    <span className="row wrap" style={{ gap: "0.3rem" }}>
      <Ended call={call} />
      {call.attempts && call.attempts.length > 1 && <Badge tone="warn">{t.attempts(call.attempts.length)}</Badge>}
    </span>
  );
  const tokens = (call: Call) => (
    <span title={call.estimated ? t.estimatedHelp : undefined}>
      {call.estimated && "≈ "}
      {format.number(call.input_tokens)} → {format.number(call.output_tokens)}
    </span>
  );
  const duration = (call: Call) => (
    <span className="stack tight">
      {format.duration(Math.round(call.duration_ms))}
      {call.first_byte_ms !== null && <small className="faint">{t.firstByte(format.duration(Math.round(call.first_byte_ms)))}</small>}
    </span>
  );
  const cost: Column<Call> = { id: "cost", header: t.columns.cost, end: true, cell: (call) => (call.cost_usd === null ? "–" : format.money(call.cost_usd)) };
  return [
    { id: "time", header: t.columns.time, cell: time },
    { id: "endpoint", header: t.columns.endpoint, cell: target },
    { id: "user", header: t.columns.user, cell: user },
    { id: "ended", header: t.columns.ended, cell: ended },
    { id: "tokens", header: t.columns.tokens, end: true, cell: tokens },
    { id: "duration", header: t.columns.duration, end: true, cell: duration },
    ...(withCost ? [cost] : []),
  ];
}
