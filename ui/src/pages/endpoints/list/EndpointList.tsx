/** The list: what is served, how it is, and what was asked of it in the last hour. Filters stand in the address. */
import { useDeferredValue, useEffect, useState } from "react";
import { Link } from "wouter";
import { part } from "~/api/client";
import { type EndpointSummary, useProviders, useSummaries } from "~/api/endpoints";
import { useQueryState } from "~/app/query-state";
import { Badge, StateDot } from "~/components/Badge";
import { Button, ButtonLink } from "~/components/Button";
import { Checkbox, SearchField, Select } from "~/components/fields";
import { Page } from "~/components/Page";
import { Sparkline } from "~/components/Sparkline";
import { EmptyState, Loaded } from "~/components/states";
import { type Column, Pager, Table } from "~/components/Table";
import { usePages } from "~/components/use-pages";
import { useFormat, useT } from "~/i18n";
import { shownState } from "../states";

const LIMIT = 50;
const FILTERS = ["q", "state", "provider", "task", "owner", "tag", "mine"] as const;

export function EndpointList() {
  const t = useT("endpoints");
  const query = useQueryState();
  const asked = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]));
  const sort = query.get("sort") ?? "name";
  const pages = usePages(JSON.stringify([asked, sort]));
  const found = useSummaries({ ...asked, sort, limit: LIMIT, page_token: pages.token });
  const filtered = FILTERS.some((name) => asked[name]);
  return (
    <Page title={t.title} help={t.help} actions={<ButtonLink href="/endpoints?new=1" kind="primary" icon="plus">{t.create}</ButtonLink>}>
      <Filters />
      <Loaded query={found} lines={10}>
        {({ endpoints, total, next_page_token }) =>
          endpoints.length === 0 ? (
            <Nothing filtered={filtered} />
          ) : (
            <div>
              <Rows endpoints={endpoints} sort={sort} busy={found.isPlaceholderData} />
              <Pager from={pages.offset + 1} to={pages.offset + endpoints.length} total={total} onPrevious={pages.previous} onNext={next_page_token ? () => pages.next(next_page_token, endpoints.length) : undefined} />
            </div>
          )
        }
      </Loaded>
    </Page>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  const t = useT("endpoints");
  const words = useT("components");
  const query = useQueryState();
  if (filtered)
    return (
      <EmptyState title={words.nothingMatches} action={<Button onPress={() => query.set(Object.fromEntries(FILTERS.map((name) => [name, null])))}>{words.clearFilters}</Button>}>
        {words.nothingMatchesHelp}
      </EmptyState>
    );
  return (
    <EmptyState title={t.empty.title} command={t.empty.command} action={<ButtonLink href="/endpoints?new=1" kind="primary" icon="plus">{t.create}</ButtonLink>}>
      {t.empty.help}
    </EmptyState>
  );
}

function Filters() {
  const t = useT("endpoints");
  const words = useT("components");
  const query = useQueryState();
  const providers = useProviders();
  const any = { id: "any", label: words.all };
  const choose = (name: string) => (value: string) => query.set({ [name]: value === "any" ? null : value });
  const states = (["ready", "not_ready", "in_progress", "update_failed"] as const).map((id) => ({ id, label: t.filters.states[id] }));
  const tasks = (["llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings"] as const).map((id) => ({ id, label: taskWord(t.tasks, id) }));
  const sources = [{ id: "local", label: t.local }, ...(providers.data ?? []).map((each) => ({ id: each.name, label: each.title }))];
  return (
    <div className="toolbar" role="search">
      <Search name="q" label={t.filters.search} />
      <Select label={t.filters.state} hideLabel value={query.get("state") ?? "any"} onChange={choose("state")} choices={[{ ...any, label: t.filters.anyState }, ...states]} />
      <Select label={t.filters.provider} hideLabel value={query.get("provider") ?? "any"} onChange={choose("provider")} choices={[{ ...any, label: t.filters.anyProvider }, ...sources]} />
      <Select label={t.filters.task} hideLabel value={query.get("task") ?? "any"} onChange={choose("task")} choices={[{ ...any, label: t.filters.anyTask }, ...tasks]} />
      <Checkbox checked={query.get("mine") === "true"} onChange={(on) => query.set({ mine: on ? "true" : null })}>
        {t.filters.mine}
      </Checkbox>
      {(["owner", "tag"] as const).map((name) => {
        const value = query.get(name);
        return value ? (
          <Button key={name} small icon="close" onPress={() => query.set({ [name]: null })}>
            {t.filters[name]}: {value}
          </Button>
        ) : null;
      })}
    </div>
  );
}

/** Asks the server when typing pauses, and keeps what is typed at once. */
function Search({ name, label }: { name: string; label: string }) {
  const query = useQueryState();
  const given = query.get(name) ?? "";
  const [typed, setTyped] = useState(given);
  const settled = useDeferredValue(typed);
  useEffect(() => setTyped(given), [given]);
  useEffect(() => {
    if (settled === given) return;
    const timer = setTimeout(() => query.set({ [name]: settled || null }), 250);
    return () => clearTimeout(timer);
    // `given` and `query` change as its outcome.
  }, [settled]);
  return <SearchField label={label} value={typed} onChange={setTyped} />;
}

function Rows({ endpoints, sort, busy }: { endpoints: EndpointSummary[]; sort: string; busy: boolean }) {
  const t = useT("endpoints");
  const query = useQueryState();
  const columns = useColumns();
  // The server's `created`, `updated` and `calls` put the newest or most first, which a table calls descending.
  const shown = ["created", "updated", "calls"].includes(sort) ? `-${sort}` : sort;
  const onSort = (asked: string) => query.set({ sort: asked === "name" ? null : asked === "-name" ? asked : asked.replace(/^-/, "") });
  return <Table label={t.title} columns={columns} rows={endpoints} rowKey={(row) => row.id} sort={shown} onSort={onSort} href={(row) => `/endpoints/${part(row.name)}`} busy={busy} />;
}

function useColumns(): Column<EndpointSummary>[] {
  const t = useT("endpoints");
  const format = useFormat();
  return [
    {
      id: "name",
      header: t.columns.name,
      sortable: true,
      cell: (row) => {
        const state = shownState(row.state);
        return (
          <span className="row endpoints-name">
            <StateDot tone={state.tone} pulse={state.pulse} label={t.states[state.word]} hideLabel />
            <Link href={`/endpoints/${part(row.name)}`} className="primary break">
              {row.name}
            </Link>
          </span>
        );
      },
    },
    { id: "state", header: t.columns.state, cell: (row) => <span className="muted nowrap">{t.states[shownState(row.state).word]}</span> },
    { id: "task", header: t.columns.task, cell: (row) => <span className="muted nowrap">{taskWord(t.tasks, row.task)}</span> },
    { id: "models", header: t.columns.models, wide: true, cell: (row) => <Models row={row} /> },
    {
      id: "calls",
      header: t.columns.lastHour,
      sortable: true,
      wide: true,
      cell: (row) => {
        const label = t.lastHour(format.number(row.calls_last_hour), format.number(row.errors_last_hour));
        return (
          <span className="row" title={label}>
            <Sparkline ticks={row.sparkline} label={label} width={80} height={20} />
            <span className="nums nowrap" aria-hidden="true">
              {format.compact(row.calls_last_hour)}
              {row.errors_last_hour > 0 && <span className="endpoints-errors"> {format.compact(row.errors_last_hour)}</span>}
            </span>
          </span>
        );
      },
    },
    { id: "creator", header: t.columns.owner, cell: (row) => <Filter name="owner" value={row.creator} /> },
    { id: "tags", header: t.columns.tags, cell: (row) => <Tags row={row} /> },
    { id: "updated", header: t.columns.updated, sortable: true, end: true, cell: (row) => <span className="muted nowrap" title={format.dateTime(row.last_updated_timestamp)}>{format.ago(row.last_updated_timestamp)}</span> },
  ];
}

export function taskWord(words: Record<string, string>, task: string): string {
  return words[task] ?? task;
}

function Models({ row }: { row: EndpointSummary }) {
  const t = useT("endpoints");
  const providers = useProviders();
  const title = (name: string) => (name === "local" ? t.local : (providers.data?.find((each) => each.name === name)?.title ?? name));
  const [first, second, ...rest] = row.models;
  return (
    <span className="stack tight endpoints-models">
      {[first, second].map(
        (model) =>
          model && (
            <span key={model.entity} className="row">
              <span className="truncate" title={model.model}>
                {model.model}
              </span>
              <span className="faint nowrap">
                {title(model.provider)}
                {row.models.length > 1 && ` · ${model.traffic > 0 ? `${model.traffic}%` : t.spare}`}
              </span>
            </span>
          ),
      )}
      {rest.length > 0 && <span className="faint">{t.moreModels(rest.length)}</span>}
    </span>
  );
}

function Filter({ name, value }: { name: string; value: string }) {
  const query = useQueryState();
  return (
    <button type="button" className="endpoints-filter truncate" title={value} onClick={() => query.set({ [name]: value })}>
      {value}
    </button>
  );
}

function Tags({ row }: { row: EndpointSummary }) {
  const query = useQueryState();
  if (row.tags.length === 0) return null;
  return (
    <span className="row wrap endpoints-tags">
      {row.tags.slice(0, 3).map((tag) => {
        const text = tag.value ? `${tag.key}:${tag.value}` : tag.key;
        return (
          <button key={tag.key} type="button" className="endpoints-filter" onClick={() => query.set({ tag: text })}>
            <Badge>{text}</Badge>
          </button>
        );
      })}
      {row.tags.length > 3 && <span className="faint">+{row.tags.length - 3}</span>}
    </span>
  );
}
