/** One user, group or service principal: what it is, its groups or members, and what can be changed. */
import { useState } from "react";
import { type Kind, nameOf, type Resource, usePeopleChanges, useResource } from "~/api/people";
import { Badge } from "~/components/Badge";
import { Button } from "~/components/Button";
import { ConfirmDialog, Drawer } from "~/components/Dialog";
import { Switch } from "~/components/fields";
import { ErrorNote, Skeleton } from "~/components/states";
import { toast } from "~/components/Toast";
import { useT } from "~/i18n";
import { Members } from "./Members";

const MAY_CREATE = "workspace-access";

export function PersonDrawer({ kind, id, onClose }: { kind: Kind; id: string; onClose(): void }) {
  const found = useResource(kind, id);
  return (
    <Drawer open onClose={onClose} title={found.data ? (found.data.displayName ?? nameOf(kind, found.data)) : "…"}>
      {found.error && <ErrorNote error={found.error} />}
      {found.isPending && <Skeleton lines={4} />}
      {found.data && <Detail kind={kind} resource={found.data} onClose={onClose} />}
    </Drawer>
  );
}

function Detail({ kind, resource, onClose }: { kind: Kind; resource: Resource; onClose(): void }) {
  const t = useT("people");
  const words = useT("components");
  const { remove } = usePeopleChanges(kind);
  const [deleting, setDeleting] = useState(false);
  const name = nameOf(kind, resource);
  return (
    <>
      <dl className="facts">
        {kind !== "Groups" && (
          <>
            <dt>{kind === "Users" ? t.userName : t.applicationId}</dt>
            <dd>
              <code className="break">{name}</code>
            </dd>
            <dt>{t.groups}</dt>
            <dd className="row wrap">
              {resource.groups?.length ? resource.groups.map((group) => <Badge key={group.value}>{group.display}</Badge>) : <span className="faint">{t.noGroups}</span>}
            </dd>
          </>
        )}
        <dt>{t.id}</dt>
        <dd>
          <code>{resource.id}</code>
        </dd>
      </dl>
      {kind === "Groups" ? <Members group={resource} /> : <Switches kind={kind} resource={resource} />}
      {kind === "ServicePrincipals" && <p className="faint">{t.tokenFor}</p>}
      <div className="row end">
        <Button kind="danger" icon="trash" onPress={() => setDeleting(true)}>
          {words.delete}
        </Button>
      </div>
      <ConfirmDialog
        open={deleting}
        onClose={() => setDeleting(false)}
        title={t.deleteTitle(name)}
        action={words.delete}
        name={name}
        onConfirm={async () => {
          await remove.mutateAsync(resource.id);
          toast.ok(t.deleted);
          onClose();
        }}
      >
        <p>{kind === "Groups" ? t.deleteGroupHelp : t.deleteHelp}</p>
      </ConfirmDialog>
    </>
  );
}

function Switches({ kind, resource }: { kind: Kind; resource: Resource }) {
  const t = useT("people");
  const { patch } = usePeopleChanges(kind);
  const change = (path: string, value: unknown, op: "add" | "remove" | "replace" = "replace") =>
    patch.mutate({ id: resource.id, operations: [{ op, path, ...(value === undefined ? {} : { value }) }] }, { onError: toast.error, onSuccess: () => toast.ok(t.saved) });
  // What was pressed is shown at once; a refusal shows the old state again, with its reason.
  const asked = patch.isPending ? patch.variables.operations[0] : undefined;
  const active = asked?.path === "active" ? asked.value === true : resource.active !== false;
  const has = resource.entitlements?.some((each) => each.value === MAY_CREATE) ?? false;
  const may = asked?.path.startsWith("entitlements") ? asked.op === "add" : has;
  const toggle = (on: boolean) =>
    on ? change("entitlements", [{ value: MAY_CREATE }], "add") : change(`entitlements[value eq "${MAY_CREATE}"]`, undefined, "remove");
  return (
    <div className="stack">
      <div className="stack tight">
        <Switch label={t.active} on={active} onChange={(on) => change("active", on)} />
        <span className="field-help">{t.deactivateHelp}</span>
      </div>
      <div className="stack tight">
        <Switch label={t.mayCreate} on={may} onChange={toggle} />
        <span className="field-help">{t.mayCreateHelp}</span>
      </div>
    </div>
  );
}
