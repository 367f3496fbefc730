/** Users, groups and service principals: a list of each kind, and one of them in a drawer. */
import { useState } from "react";
import { useQueryState } from "~/app/query-state";
import { type Kind, nameOf, PAGE_SIZE, type Resource, usePeople } from "~/api/people";
import { Badge } from "~/components/Badge";
import { Button } from "~/components/Button";
import { SearchField, Segmented } from "~/components/fields";
import { Page } from "~/components/Page";
import { EmptyState, ErrorNote, Skeleton } from "~/components/states";
import { type Column, Pager, Table } from "~/components/Table";
import { useT } from "~/i18n";
import { AddPerson } from "./AddPerson";
import { PersonDrawer } from "./PersonDrawer";

const KINDS: readonly Kind[] = ["Users", "Groups", "ServicePrincipals"];

export default function PeoplePage() {
  const t = useT("people");
  const query = useQueryState();
  const kind = KINDS.find((each) => each === query.get("kind")) ?? "Users";
  const [adding, setAdding] = useState(false);
  const add = (
    <Button kind="primary" icon="plus" onPress={() => setAdding(true)}>
      {t.create[kind]}
    </Button>
  );
  const open = query.get("id");
  return (
    <Page title={t.title} help={t.help} actions={add}>
      <div className="row wrap between">
        <Segmented label={t.title} value={kind} onChange={(next) => query.set({ kind: next, q: null, id: null, page: null })} choices={KINDS.map((id) => ({ id, label: t.kinds[id] }))} />
        <SearchField label={t.search[kind]} value={query.get("q") ?? ""} onChange={(q) => query.set({ q, page: null })} />
      </div>
      <People key={kind} kind={kind} add={add} />
      {adding && <AddPerson kind={kind} onClose={() => setAdding(false)} onMade={(id) => query.set({ id })} />}
      {open && <PersonDrawer key={open} kind={kind} id={open} onClose={() => query.set({ id: null })} />}
    </Page>
  );
}

function People({ kind, add }: { kind: Kind; add: React.ReactNode }) {
  const t = useT("people");
  const query = useQueryState();
  const page = Math.max(0, Number(query.get("page")) || 0);
  const found = usePeople(kind, query.get("q") ?? "", page);
  const columns = useColumns(kind);
  if (found.error) return <ErrorNote error={found.error} retry={() => void found.refetch()} />;
  if (!found.data) return <Skeleton />;
  const rows = found.data.Resources ?? [];
  if (!rows.length)
    return (
      <EmptyState title={t.emptyTitle[kind]} action={add} command={COMMANDS[kind]}>
        {t.emptyHelp[kind]}
      </EmptyState>
    );
  const before = page * PAGE_SIZE;
  const turn = (to: number) => query.set({ page: to ? String(to) : null });
  return (
    <>
      <Table label={t.kinds[kind]} columns={columns} rows={rows} rowKey={(each) => each.id} onOpen={(each) => query.set({ id: each.id }, true)} selected={query.get("id")} busy={found.isFetching} />
      <Pager
        from={before + 1}
        to={before + rows.length}
        total={found.data.totalResults}
        onPrevious={page > 0 ? () => turn(page - 1) : undefined}
        onNext={before + rows.length < found.data.totalResults ? () => turn(page + 1) : undefined}
      />
    </>
  );
}

const COMMANDS: Record<Kind, string> = {
  Users: "cloche user create ann@example.com",
  Groups: "cloche group create data-team",
  ServicePrincipals: "cloche service-principal create nightly-job",
};

function useColumns(kind: Kind): Column<Resource>[] {
  const t = useT("people");
  const query = useQueryState();
  const name: Column<Resource> = {
    id: "name",
    header: t.name,
    wide: true,
    cell: (each) => (
      <button type="button" className="row-open" onClick={() => query.set({ id: each.id }, true)}>
        <span className="break">{each.displayName ?? nameOf(kind, each)}</span>
      </button>
    ),
  };
  if (kind === "Groups") return [name, { id: "members", header: t.members, end: true, cell: (each) => <span className="nums">{t.memberCount(each.members?.length ?? 0)}</span> }];
  return [
    name,
    { id: "called", header: kind === "Users" ? t.userName : t.applicationId, cell: (each) => <code className="break">{nameOf(kind, each)}</code> },
    {
      id: "groups",
      header: t.groups,
      cell: (each) => (
        <span className="row wrap">
          {(each.groups ?? []).map((group) => (
            <Badge key={group.value} tone={group.display === "admins" ? "accent" : "idle"}>
              {group.display}
            </Badge>
          ))}
        </span>
      ),
    },
    { id: "state", header: t.state, cell: (each) => <Badge tone={each.active === false ? "warn" : "ok"}>{each.active === false ? t.inactive : t.active}</Badge> },
  ];
}
