/** Who may do what with an endpoint, and why. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, part } from "~/api/client";
import type { Endpoint, Level } from "~/api/endpoints";
import { Badge } from "~/components/Badge";
import { Button, IconButton } from "~/components/Button";
import { ConfirmDialog } from "~/components/Dialog";
import { Select, TextField } from "~/components/fields";
import { Banner, ErrorNote, Loaded } from "~/components/states";
import { type Column, Table } from "~/components/Table";
import { toast } from "~/components/Toast";
import { useT } from "~/i18n";

type Kind = "user_name" | "group_name" | "service_principal_name";

interface Entry {
  user_name?: string;
  group_name?: string;
  service_principal_name?: string;
  display_name?: string;
  all_permissions: { permission_level: Level; inherited: boolean }[];
}

interface Acl {
  access_control_list: Entry[];
}

interface Explanation {
  principal: string;
  kind: string;
  level_wanted: Level;
  allowed: boolean;
  level: Level | null;
  reasons: { level: Level; through: string; group?: string; path?: string[] }[];
  advice: string;
}

const LEVELS: Level[] = ["CAN_VIEW", "CAN_QUERY", "CAN_MANAGE"];
const KINDS: Kind[] = ["user_name", "group_name", "service_principal_name"];
const path = (id: string, rest = "") => `/api/2.0/permissions/serving-endpoints/${part(id)}${rest}`;

function nameOf(entry: Entry): { kind: Kind; name: string } {
  const kind = KINDS.find((each) => entry[each]) ?? "user_name";
  return { kind, name: entry[kind] ?? "" };
}

export default function PermissionsTab({ endpoint }: { endpoint: Endpoint }) {
  const manages = endpoint.permission_level === "CAN_MANAGE";
  return (
    <div className="endpoints-overview">
      <div className="stack loose">{manages ? <Entries endpoint={endpoint} /> : <Explain endpoint={endpoint} />}</div>
      <div className="stack loose">{manages && <Explain endpoint={endpoint} />}</div>
    </div>
  );
}

function Entries({ endpoint }: { endpoint: Endpoint }) {
  const acl = useQuery({ queryKey: ["permissions", endpoint.id], queryFn: ({ signal }) => api.get<Acl>(path(endpoint.id), {}, signal) });
  return (
    <>
      <Loaded query={acl}>{(told) => <List endpoint={endpoint} entries={told.access_control_list} />}</Loaded>
      <Give endpoint={endpoint} />
    </>
  );
}

function List({ endpoint, entries }: { endpoint: Endpoint; entries: Entry[] }) {
  const t = useT("endpoints").permissions;
  const levels = useT("endpoints").levels;
  const words = useT("components");
  const queries = useQueryClient();
  const [leaving, setLeaving] = useState<Entry | null>(null);
  const own = (entry: Entry) => entry.all_permissions.find((each) => !each.inherited);
  const put = async (changed: Entry[]) => {
    const list = changed.flatMap((entry) => {
      const level = own(entry)?.permission_level;
      const { kind, name } = nameOf(entry);
      return level ? [{ [kind]: name, permission_level: level }] : [];
    });
    await api.put(path(endpoint.id), { access_control_list: list });
    await queries.invalidateQueries({ queryKey: ["permissions", endpoint.id] });
  };
  const columns: Column<Entry>[] = [
    {
      id: "name",
      header: t.who,
      cell: (entry) => (
        <span className="row wrap">
          <strong className="break">{nameOf(entry).name}</strong>
          <span className="faint">{t.kinds[nameOf(entry).kind]}</span>
        </span>
      ),
    },
    {
      id: "level",
      header: t.level,
      cell: (entry) => (
        <span className="row wrap">
          {entry.all_permissions.map((each) => (
            <Badge key={each.permission_level + String(each.inherited)} tone={each.inherited ? "idle" : "accent"}>
              {levels[each.permission_level]}
              {each.inherited && ` · ${t.inherited}`}
            </Badge>
          ))}
        </span>
      ),
    },
    {
      id: "remove",
      header: words.actions,
      hideHeader: true,
      end: true,
      cell: (entry) => (own(entry) ? <IconButton label={t.take(nameOf(entry).name)} icon="close" small onPress={() => setLeaving(entry)} /> : null),
    },
  ];
  return (
    <>
      <Table label={t.title} columns={columns} rows={entries} rowKey={(entry) => nameOf(entry).kind + nameOf(entry).name} />
      <ConfirmDialog
        open={leaving !== null}
        onClose={() => setLeaving(null)}
        title={t.takeTitle(leaving ? nameOf(leaving).name : "")}
        action={words.remove}
        onConfirm={async () => {
          await put(entries.filter((entry) => entry !== leaving));
          toast.ok(t.taken);
        }}
      >
        <p>{t.takeHelp}</p>
      </ConfirmDialog>
    </>
  );
}

function Give({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints").permissions;
  const levels = useT("endpoints").levels;
  const queries = useQueryClient();
  const [kind, setKind] = useState<Kind>("user_name");
  const [name, setName] = useState("");
  const [level, setLevel] = useState<Level>("CAN_QUERY");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const give = async () => {
    if (!name.trim()) return;
    setBusy(true);
    setError(null);
    try {
      await api.patch(path(endpoint.id), { access_control_list: [{ [kind]: name.trim(), permission_level: level }] });
      await queries.invalidateQueries({ queryKey: ["permissions", endpoint.id] });
      toast.ok(t.given(name.trim()));
      setName("");
    } catch (thrown) {
      setError(thrown);
    }
    setBusy(false);
  };
  return (
    <section className="card pad stack">
      <h2>{t.give}</h2>
      <form className="endpoints-line" onSubmit={(event) => (event.preventDefault(), void give())}>
        <Select label={t.kind} value={kind} onChange={(id) => setKind(id as Kind)} choices={KINDS.map((id) => ({ id, label: t.kinds[id] }))} />
        <TextField label={t.name} value={name} onChange={setName} placeholder={t.placeholders[kind]} />
        <Select label={t.level} value={level} onChange={(id) => setLevel(id as Level)} choices={LEVELS.map((id) => ({ id, label: levels[id] }))} />
        <Button type="submit" kind="primary" busy={busy} isDisabled={!name.trim()}>
          {t.giveAction}
        </Button>
      </form>
      {error !== null && <ErrorNote error={error} />}
    </section>
  );
}

function Explain({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints").permissions;
  const levels = useT("endpoints").levels;
  const manages = endpoint.permission_level === "CAN_MANAGE";
  const [principal, setPrincipal] = useState("");
  const [level, setLevel] = useState<Level>("CAN_QUERY");
  const [asked, setAsked] = useState<{ principal: string; level: Level } | null>(manages ? null : { principal: "", level });
  const told = useQuery({
    queryKey: ["permissions", endpoint.id, "explain", asked],
    queryFn: ({ signal }) => api.get<Explanation>(path(endpoint.id, "/explain"), asked ?? {}, signal),
    enabled: asked !== null,
    retry: false,
  });
  return (
    <section className="card pad stack">
      <h2>{t.why}</h2>
      <p className="muted">{manages ? t.whyHelp : t.whyOwnHelp}</p>
      <form className="stack" onSubmit={(event) => (event.preventDefault(), setAsked({ principal: principal.trim(), level }))}>
        {manages && <TextField label={t.whyName} optional help={t.whyNameHelp} value={principal} onChange={setPrincipal} />}
        <Select label={t.whyLevel} value={level} onChange={(id) => setLevel(id as Level)} choices={LEVELS.map((id) => ({ id, label: levels[id] }))} />
        <span>
          <Button type="submit" busy={told.isFetching}>
            {t.ask}
          </Button>
        </span>
      </form>
      {told.error && <ErrorNote error={told.error} />}
      {told.data && (
        <Banner tone={told.data.allowed ? "ok" : "bad"}>
          <strong>{told.data.allowed ? t.may(told.data.principal, levels[told.data.level_wanted]) : t.mayNot(told.data.principal, levels[told.data.level_wanted])}</strong>
          <ul className="stack tight">
            {told.data.reasons.map((reason, index) => (
              <li key={index}>
                {levels[reason.level]}: {t.through(reason.through, reason.group ?? "")}
              </li>
            ))}
          </ul>
          {!told.data.allowed && told.data.advice && <span className="muted">{told.data.advice}</span>}
        </Banner>
      )}
    </section>
  );
}
