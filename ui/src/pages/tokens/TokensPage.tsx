/** Tokens: those of whoever is signed in, and for administrators everybody's. */
import { useState } from "react";
import { useQueryState } from "~/app/query-state";
import { useIsAdmin } from "~/api/me";
import { type Token, useRevokeToken, useTokens } from "~/api/tokens";
import { Badge } from "~/components/Badge";
import { Button } from "~/components/Button";
import { ConfirmDialog } from "~/components/Dialog";
import { Segmented } from "~/components/fields";
import { Page } from "~/components/Page";
import { EmptyState, ErrorNote, Skeleton } from "~/components/states";
import { type Column, Table } from "~/components/Table";
import { toast } from "~/components/Toast";
import { useFormat, useT } from "~/i18n";
import { CreateToken } from "./CreateToken";

export default function TokensPage() {
  const t = useT("tokens");
  const admin = useIsAdmin();
  const query = useQueryState();
  const everybody = admin && query.get("whose") === "everybody";
  const [creating, setCreating] = useState(query.get("create") === "1");
  return (
    <Page
      title={t.title}
      help={t.help}
      actions={
        <>
          {admin && (
            <Segmented
              label={t.whose}
              value={everybody ? "everybody" : "mine"}
              onChange={(whose) => query.set({ whose: whose === "mine" ? null : whose })}
              choices={[
                { id: "mine", label: t.mine },
                { id: "everybody", label: t.everybody },
              ]}
            />
          )}
          <Button kind="primary" icon="plus" onPress={() => setCreating(true)}>
            {t.create}
          </Button>
        </>
      }
    >
      <TokenList everybody={everybody} onCreate={() => setCreating(true)} />
      {creating && (
        <CreateToken
          onClose={() => {
            setCreating(false);
            query.set({ create: null });
          }}
        />
      )}
    </Page>
  );
}

function TokenList({ everybody, onCreate }: { everybody: boolean; onCreate(): void }) {
  const t = useT("tokens");
  const found = useTokens(everybody);
  const revoke = useRevokeToken(everybody);
  const [revoking, setRevoking] = useState<Token | null>(null);
  const columns = useColumns(everybody, setRevoking);
  if (found.error) return <ErrorNote error={found.error} retry={() => void found.refetch()} />;
  if (!found.data) return <Skeleton />;
  if (!found.data.length)
    return (
      <EmptyState
        title={t.emptyTitle}
        command="cloche token create --comment my-program"
        action={
          <Button kind="primary" icon="plus" onPress={onCreate}>
            {t.create}
          </Button>
        }
      >
        {t.emptyHelp}
      </EmptyState>
    );
  return (
    <>
      <Table label={t.count(found.data.length)} columns={columns} rows={found.data} rowKey={(token) => token.token_id} busy={found.isFetching} />
      <ConfirmDialog
        open={revoking !== null}
        onClose={() => setRevoking(null)}
        title={t.revokeTitle(revoking?.comment || revoking?.token_id || "")}
        action={t.revoke}
        onConfirm={async () => {
          if (revoking) await revoke.mutateAsync(revoking.token_id);
          toast.ok(t.revoked);
        }}
      >
        <p>{t.revokeHelp}</p>
        {!everybody && <p className="muted">{t.revokeSelf}</p>}
      </ConfirmDialog>
    </>
  );
}

function useColumns(everybody: boolean, onRevoke: (token: Token) => void): Column<Token>[] {
  const t = useT("tokens");
  const words = useT("components");
  const format = useFormat();
  const expiry = (token: Token) => {
    if (token.expiry_time === -1) return <span className="faint">{t.never}</span>;
    if (token.expiry_time < Date.now()) return <Badge tone="bad">{t.expired}</Badge>;
    return <span title={format.dateTime(token.expiry_time)}>{format.ago(token.expiry_time)}</span>;
  };
  const columns: (Column<Token> | false)[] = [
    {
      id: "comment",
      header: t.comment,
      wide: true,
      cell: (token) => (
        <div className="stack tight">
          <span className="break">{token.comment || <span className="faint">{t.noComment}</span>}</span>
          <code className="faint truncate" title={token.token_id}>
            {token.token_id.slice(0, 12)}…
          </code>
        </div>
      ),
    },
    everybody && { id: "owner", header: t.owner, cell: (token) => token.created_by_username ?? "" },
    { id: "created", header: t.created, cell: (token) => <span title={format.dateTime(token.creation_time)}>{format.date(token.creation_time)}</span> },
    { id: "expires", header: t.expires, cell: expiry },
    {
      id: "used",
      header: t.lastUsed,
      cell: (token) =>
        token.last_used ? <span title={format.dateTime(token.last_used)}>{format.ago(token.last_used)}</span> : <span className="faint">{t.unused}</span>,
    },
    {
      id: "actions",
      header: words.actions,
      hideHeader: true,
      end: true,
      cell: (token) => (
        <Button small kind="danger" onPress={() => onRevoke(token)}>
          {t.revoke}
        </Button>
      ),
    },
  ];
  return columns.filter((column) => column !== false);
}
