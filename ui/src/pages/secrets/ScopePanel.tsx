/** One scope: its keys, how endpoints refer to them, and who may do what with them. */
import { useState } from "react";
import { referenceTo, type Secret, useSecretChange, useSecrets } from "~/api/secrets";
import { Button } from "~/components/Button";
import { CopyLine } from "~/components/copy";
import { ConfirmDialog } from "~/components/Dialog";
import { Menu } from "~/components/Menu";
import { EmptyState, ErrorNote, Skeleton } from "~/components/states";
import { type Column, Table } from "~/components/Table";
import { toast } from "~/components/Toast";
import { useFormat, useT } from "~/i18n";
import { Acls } from "./Acls";
import { PutSecret } from "./PutSecret";

/** What is being asked about: a key to put ("" for a new one), a key to delete, or the scope itself. */
type Asking = { what: "put" | "delete"; key: string } | { what: "delete-scope" } | null;

export function ScopePanel({ scope, onDeleted }: { scope: string; onDeleted(): void }) {
  const t = useT("secrets");
  const words = useT("components");
  const found = useSecrets(scope);
  const remove = useSecretChange("delete");
  const removeScope = useSecretChange("scopes/delete");
  const [asking, setAsking] = useState<Asking>(null);
  const close = () => setAsking(null);
  const put = (
    <Button icon="plus" onPress={() => setAsking({ what: "put", key: "" })}>
      {t.put}
    </Button>
  );
  return (
    <div className="stack loose">
      <section className="stack" aria-label={scope}>
        <div className="row between wrap">
          <h2 className="break">{scope}</h2>
          <div className="row">
            {put}
            <Button kind="danger" icon="trash" onPress={() => setAsking({ what: "delete-scope" })}>
              {t.deleteScope}
            </Button>
          </div>
        </div>
        {found.error && <ErrorNote error={found.error} retry={() => void found.refetch()} />}
        {found.isPending && <Skeleton lines={3} />}
        {found.data?.length === 0 && (
          <EmptyState title={t.noSecrets} command={`cloche secret put ${scope} openai-key`}>
            {t.noSecretsHelp}
          </EmptyState>
        )}
        {found.data && found.data.length > 0 && <Keys scope={scope} secrets={found.data} onAsk={setAsking} />}
      </section>
      <Acls scope={scope} />
      {asking?.what === "put" && <PutSecret scope={scope} name={asking.key || null} onClose={close} />}
      <ConfirmDialog
        open={asking?.what === "delete"}
        onClose={close}
        title={t.deleteTitle(asking?.what === "delete" ? asking.key : "")}
        action={words.delete}
        name={asking?.what === "delete" ? asking.key : undefined}
        onConfirm={async () => {
          if (asking?.what === "delete") await remove.mutateAsync({ scope, key: asking.key });
          toast.ok(t.deleted);
        }}
      >
        <p>{t.deleteHelp}</p>
      </ConfirmDialog>
      <ConfirmDialog
        open={asking?.what === "delete-scope"}
        onClose={close}
        title={t.deleteScopeTitle(scope)}
        action={t.deleteScope}
        name={scope}
        onConfirm={async () => {
          await removeScope.mutateAsync({ scope });
          toast.ok(t.deletedScope);
          onDeleted();
        }}
      >
        <p>{t.deleteScopeHelp}</p>
      </ConfirmDialog>
    </div>
  );
}

function Keys({ scope, secrets, onAsk }: { scope: string; secrets: Secret[]; onAsk(asking: Asking): void }) {
  const t = useT("secrets");
  const words = useT("components");
  const format = useFormat();
  const columns: Column<Secret>[] = [
    { id: "key", header: t.key, cell: (secret) => <code className="break">{secret.key}</code> },
    { id: "reference", header: t.reference, wide: true, cell: (secret) => <CopyLine text={referenceTo(scope, secret.key)} /> },
    {
      id: "updated",
      header: t.updated,
      cell: (secret) => <span title={format.dateTime(secret.last_updated_timestamp)}>{format.ago(secret.last_updated_timestamp)}</span>,
    },
    {
      id: "actions",
      header: words.actions,
      hideHeader: true,
      end: true,
      cell: ({ key }) => (
        <Menu
          label={words.actions}
          trigger={<Button small kind="quiet" icon="more" aria-label={`${words.actions}: ${key}`} />}
          entries={[
            { id: "replace", label: t.replace, icon: "edit", onAction: () => onAsk({ what: "put", key }) },
            { id: "delete", label: words.delete, icon: "trash", danger: true, onAction: () => onAsk({ what: "delete", key }) },
          ]}
        />
      ),
    },
  ];
  return (
    <>
      <p className="field-help">{t.referenceHelp}</p>
      <Table label={t.count(secrets.length)} columns={columns} rows={secrets} rowKey={(secret) => secret.key} />
    </>
  );
}
