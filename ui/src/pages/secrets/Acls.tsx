/** Who may read, write and manage a scope. Shown to those who manage it. */
import { useState } from "react";
import { ApiError } from "~/api/errors";
import { SCOPE_LEVELS, type ScopeAcl, type ScopeLevel, useScopeAcls, useSecretChange } from "~/api/secrets";
import { Badge } from "~/components/Badge";
import { Button } from "~/components/Button";
import { Select, TextField } from "~/components/fields";
import { ErrorNote } from "~/components/states";
import { type Column, Table } from "~/components/Table";
import { toast } from "~/components/Toast";
import { useT } from "~/i18n";
import { useMe } from "~/api/me";

export function Acls({ scope }: { scope: string }) {
  const t = useT("secrets");
  const found = useScopeAcls(scope);
  // Who may not manage a scope need not know that there is more to it.
  if (found.error instanceof ApiError && found.error.status === 403) return null;
  return (
    <section className="stack" aria-label={t.permissions}>
      <h3>{t.permissions}</h3>
      <p className="field-help">{t.permissionsHelp}</p>
      {found.error && <ErrorNote error={found.error} />}
      {found.data && found.data.length > 0 && <Given scope={scope} acls={found.data} />}
      <Give scope={scope} />
    </section>
  );
}

function Given({ scope, acls }: { scope: string; acls: ScopeAcl[] }) {
  const t = useT("secrets");
  const words = useT("components");
  const me = useMe().data?.userName;
  const take = useSecretChange("acls/delete");
  const columns: Column<ScopeAcl>[] = [
    { id: "principal", header: t.principal, wide: true, cell: (acl) => <span className="break">{acl.principal}</span> },
    { id: "level", header: t.level, cell: (acl) => <Badge tone={acl.permission === "MANAGE" ? "accent" : "idle"}>{acl.permission}</Badge> },
    {
      id: "actions",
      header: words.actions,
      hideHeader: true,
      end: true,
      cell: ({ principal }) =>
        principal !== me && (
          <Button small onPress={() => take.mutate({ scope, principal }, { onError: toast.error })}>
            {t.take}
          </Button>
        ),
    },
  ];
  return <Table label={t.permissions} columns={columns} rows={acls} rowKey={(acl) => acl.principal} />;
}

function Give({ scope }: { scope: string }) {
  const t = useT("secrets");
  const give = useSecretChange("acls/put");
  const [principal, setPrincipal] = useState("");
  const [permission, setPermission] = useState<ScopeLevel>("READ");
  const submit = () => {
    if (!principal) return;
    give.mutate(
      { scope, principal, permission },
      {
        onSuccess: () => {
          setPrincipal("");
          toast.ok(t.given);
        },
      },
    );
  };
  return (
    <div className="stack">
      <div className="row wrap" style={{ alignItems: "end" }}>
        <div className="grow">
          <TextField label={t.principal} value={principal} onChange={setPrincipal} onEnter={submit} />
        </div>
        <Select label={t.level} value={permission} onChange={(id) => setPermission(id as ScopeLevel)} choices={SCOPE_LEVELS.map((id) => ({ id, label: id }))} />
        <Button busy={give.isPending} isDisabled={!principal} onPress={submit}>
          {t.give}
        </Button>
      </div>
      {give.error && <ErrorNote error={give.error} />}
    </div>
  );
}
