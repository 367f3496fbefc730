/** The audit log: filters in the address, one page at a time, what was before and after in a drawer. */
import { useMemo, useState } from "react";
import { useQueryState } from "~/app/query-state";
import { AUDIT_PAGE, type AuditEntry, type AuditFilter, useAudit } from "~/api/audit";
import { Badge, type Tone } from "~/components/Badge";
import { Button } from "~/components/Button";
import { CodeBlock } from "~/components/copy";
import { Drawer } from "~/components/Dialog";
import { Select } from "~/components/fields";
import { FilterField } from "~/components/FilterField";
import { Page } from "~/components/Page";
import { EmptyState, ErrorNote, Skeleton } from "~/components/states";
import { type Column, Pager, Table } from "~/components/Table";
import { usePages } from "~/components/use-pages";
import { useFormat, useT } from "~/i18n";

const HOUR = 3_600_000;
const PERIODS = { hour: HOUR, day: 24 * HOUR, week: 7 * 24 * HOUR, month: 30 * 24 * HOUR, all: null } as const;
type Period = keyof typeof PERIODS;

const isPeriod = (text: string | null): text is Period => text !== null && text in PERIODS;

export default function AuditPage() {
  const t = useT("audit");
  const query = useQueryState();
  const asked = query.get("period");
  const period: Period = isPeriod(asked) ? asked : "all";
  // The beginning of a period stands still while it is looked at, or every look would be another question.
  const since = useMemo(() => (PERIODS[period] === null ? null : Date.now() - PERIODS[period]), [period]);
  const filter: AuditFilter = { user: query.get("user"), action: query.get("action"), target: query.get("target"), since };
  return (
    <Page title={t.title} help={t.help}>
      <div className="row wrap" style={{ alignItems: "end" }}>
        <FilterField name="user" label={t.user} />
        <FilterField name="action" label={t.action} placeholder="endpoint.create" />
        <FilterField name="target" label={t.target} />
        <Select
          label={t.since}
          value={period}
          onChange={(id) => query.set({ period: id === "all" ? null : id })}
          choices={Object.keys(PERIODS).map((id) => ({ id, label: t.periods[id as Period] }))}
        />
      </div>
      <Entries filter={filter} />
    </Page>
  );
}

function Entries({ filter }: { filter: AuditFilter }) {
  const t = useT("audit");
  const words = useT("components");
  const query = useQueryState();
  const pages = usePages(JSON.stringify(filter));
  const found = useAudit(filter, pages.token);
  const [open, setOpen] = useState<AuditEntry | null>(null);
  const columns = useColumns((entry) => setOpen(entry));
  if (found.error) return <ErrorNote error={found.error} retry={() => void found.refetch()} />;
  if (!found.data) return <Skeleton />;
  const { entries, next_page_token: next } = found.data;
  const filtered = Boolean(filter.user ?? filter.action ?? filter.target ?? filter.since);
  if (!entries.length && filtered)
    return (
      <EmptyState title={words.nothingMatches} action={<Button onPress={() => query.set({ user: null, action: null, target: null, period: null })}>{words.clearFilters}</Button>}>
        {words.nothingMatchesHelp}
      </EmptyState>
    );
  if (!entries.length)
    return (
      <EmptyState title={t.emptyTitle} command="cloche audit list">
        {t.emptyHelp}
      </EmptyState>
    );
  return (
    <>
      <Table label={t.title} columns={columns} rows={entries} rowKey={(entry) => `${entry.request_id} ${entry.action} ${entry.target}`} onOpen={(entry) => setOpen(entry)} busy={found.isFetching} />
      <Pager
        from={pages.offset + 1}
        to={pages.offset + entries.length}
        total={next || pages.offset + entries.length >= AUDIT_PAGE ? null : entries.length}
        onPrevious={pages.previous}
        onNext={next ? () => pages.next(next, entries.length) : undefined}
      />
      {open && <Detail entry={open} onClose={() => setOpen(null)} />}
    </>
  );
}

const TONES: Record<string, Tone> = { create: "ok", delete: "bad", revoke: "bad", remove: "bad" };

function ActionBadge({ action }: { action: string }) {
  return <Badge tone={TONES[action.split(".").at(-1) ?? ""] ?? "info"}>{action}</Badge>;
}

function useColumns(onOpen: (entry: AuditEntry) => void): Column<AuditEntry>[] {
  const t = useT("audit");
  const format = useFormat();
  return [
    {
      id: "time",
      header: t.time,
      cell: (entry) => (
        <button type="button" className="row-open nowrap" title={format.exact(entry.timestamp)} onClick={() => onOpen(entry)}>
          {format.dateTime(entry.timestamp)}
        </button>
      ),
    },
    { id: "user", header: t.user, cell: (entry) => <span className="break">{entry.user}</span> },
    { id: "action", header: t.action, cell: (entry) => <ActionBadge action={entry.action} /> },
    {
      id: "target",
      header: t.target,
      wide: true,
      cell: (entry) => <span className="break">{entry.target}</span>,
    },
    { id: "address", header: t.address, cell: (entry) => <code>{entry.address}</code> },
  ];
}

function Detail({ entry, onClose }: { entry: AuditEntry; onClose(): void }) {
  const t = useT("audit");
  const format = useFormat();
  return (
    <Drawer open onClose={onClose} title={entry.target || entry.action}>
      <dl className="facts">
        <dt>{t.action}</dt>
        <dd>
          <ActionBadge action={entry.action} />
        </dd>
        <dt>{t.time}</dt>
        <dd>{format.exact(entry.timestamp)}</dd>
        <dt>{t.user}</dt>
        <dd className="break">{entry.user}</dd>
        <dt>{t.address}</dt>
        <dd>
          <code>{entry.address}</code>
        </dd>
        <dt>{t.requestId}</dt>
        <dd>
          <code className="break">{entry.request_id}</code>
        </dd>
      </dl>
      <Side title={t.before} value={entry.before} />
      <Side title={t.after} value={entry.after} />
    </Drawer>
  );
}

function Side({ title, value }: { title: string; value: unknown }) {
  const t = useT("audit");
  return (
    <section className="stack tight">
      <h3>{title}</h3>
      {value === null || value === undefined ? <p className="faint">{t.nothing}</p> : <CodeBlock code={JSON.stringify(value, null, 2)} label={title} />}
    </section>
  );
}
