/** Secrets: scopes on one side, the keys and permissions of the chosen one on the other. */
import { useState } from "react";
import { useQueryState } from "~/app/query-state";
import { useScopes, useSecretChange } from "~/api/secrets";
import { Button } from "~/components/Button";
import { Dialog } from "~/components/Dialog";
import { Checkbox, TextField } from "~/components/fields";
import { Icon } from "~/components/Icon";
import { Page } from "~/components/Page";
import { EmptyState, ErrorNote, Skeleton } from "~/components/states";
import { useT } from "~/i18n";
import { ScopePanel } from "./ScopePanel";
import "./secrets.css";

export default function SecretsPage() {
  const t = useT("secrets");
  const query = useQueryState();
  const scopes = useScopes();
  const [creating, setCreating] = useState(false);
  const create = (
    <Button kind="primary" icon="plus" onPress={() => setCreating(true)}>
      {t.createScope}
    </Button>
  );
  const names = scopes.data ?? [];
  const chosen = names.find((name) => name === query.get("scope")) ?? names[0];
  return (
    <Page title={t.title} help={t.help} actions={create}>
      {scopes.error && <ErrorNote error={scopes.error} retry={() => void scopes.refetch()} />}
      {scopes.isPending && <Skeleton />}
      {scopes.data && !chosen && (
        <EmptyState title={t.emptyTitle} action={create} command="cloche secret create-scope providers">
          {t.emptyHelp}
        </EmptyState>
      )}
      {chosen && (
        <div className="secrets-split">
          <nav aria-label={t.scopes} className="card secrets-scopes">
            {names.map((name) => (
              <button key={name} type="button" aria-current={name === chosen ? "true" : undefined} onClick={() => query.set({ scope: name })}>
                <Icon name="secrets" size={14} />
                <span className="truncate">{name}</span>
              </button>
            ))}
          </nav>
          <ScopePanel key={chosen} scope={chosen} onDeleted={() => query.set({ scope: null })} />
        </div>
      )}
      {creating && <CreateScope onClose={() => setCreating(false)} onMade={(scope) => query.set({ scope })} />}
    </Page>
  );
}

function CreateScope({ onClose, onMade }: { onClose(): void; onMade(scope: string): void }) {
  const t = useT("secrets");
  const words = useT("components");
  const create = useSecretChange("scopes/create");
  const [scope, setScope] = useState("");
  const [everybody, setEverybody] = useState(false);
  const submit = () =>
    create.mutate(everybody ? { scope, initial_manage_principal: "users" } : { scope }, {
      onSuccess: () => {
        onMade(scope);
        onClose();
      },
    });
  return (
    <Dialog
      open
      onClose={onClose}
      title={t.createScope}
      foot={
        <>
          <Button onPress={onClose}>{words.cancel}</Button>
          <Button kind="primary" busy={create.isPending} isDisabled={!scope} onPress={submit}>
            {words.create}
          </Button>
        </>
      }
    >
      <TextField label={t.scopeName} help={t.scopeHelp} value={scope} onChange={setScope} onEnter={submit} mono autoFocus />
      <Checkbox checked={everybody} onChange={setEverybody}>
        {t.everybodyManages}
      </Checkbox>
      {create.error && <ErrorNote error={create.error} />}
    </Dialog>
  );
}
