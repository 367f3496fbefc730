/** Making a token: what it is for and how long it lasts; then its value, this once. */
import { useState } from "react";
import { useIsAdmin } from "~/api/me";
import { usePeople } from "~/api/people";
import { type CreatedToken, useCreateToken } from "~/api/tokens";
import { Button } from "~/components/Button";
import { CodeBlock } from "~/components/copy";
import { Dialog } from "~/components/Dialog";
import { Select, TextField } from "~/components/fields";
import { ErrorNote } from "~/components/states";
import { useT } from "~/i18n";

const DAY = 86_400;
const LIFETIMES = { default: null, day: DAY, week: 7 * DAY, month: 30 * DAY, quarter: 90 * DAY, year: 365 * DAY } as const;
type Lifetime = keyof typeof LIFETIMES;

const MYSELF = "";

export function CreateToken({ onClose }: { onClose(): void }) {
  const [made, setMade] = useState<CreatedToken | null>(null);
  return made ? <NewValue made={made} onClose={onClose} /> : <Form onClose={onClose} onMade={setMade} />;
}

function Form({ onClose, onMade }: { onClose(): void; onMade(made: CreatedToken): void }) {
  const t = useT("tokens");
  const words = useT("components");
  const admin = useIsAdmin();
  const create = useCreateToken();
  const [comment, setComment] = useState("");
  const [lifetime, setLifetime] = useState<Lifetime>("quarter");
  const [forWhom, setForWhom] = useState(MYSELF);
  const submit = () =>
    create.mutate({ comment: comment.trim(), lifetimeSeconds: LIFETIMES[lifetime], forServicePrincipal: forWhom || null }, { onSuccess: onMade });
  return (
    <Dialog
      open
      onClose={onClose}
      title={t.create}
      foot={
        <>
          <Button onPress={onClose}>{words.cancel}</Button>
          <Button kind="primary" busy={create.isPending} onPress={submit}>
            {words.create}
          </Button>
        </>
      }
    >
      <TextField label={t.comment} help={t.commentHelp} value={comment} onChange={setComment} onEnter={submit} autoFocus />
      <Select
        label={t.lifetime}
        value={lifetime}
        onChange={(id) => setLifetime(id as Lifetime)}
        choices={Object.keys(LIFETIMES).map((id) => ({ id, label: t.lifetimes[id as Lifetime] }))}
      />
      {admin && <ForWhom value={forWhom} onChange={setForWhom} />}
      {create.error && <ErrorNote error={create.error} />}
    </Dialog>
  );
}

/** Oneself or a service principal: nobody has the token of another person. */
function ForWhom({ value, onChange }: { value: string; onChange(value: string): void }) {
  const t = useT("tokens");
  const found = usePeople("ServicePrincipals", "", 0, 200);
  const principals = found.data?.Resources ?? [];
  if (!principals.length) return null;
  const choices = principals.map((each) => ({ id: each.applicationId ?? "", label: each.displayName ?? "", help: each.applicationId }));
  return <Select label={t.forWhom} value={value} onChange={onChange} choices={[{ id: MYSELF, label: t.myself, help: undefined }, ...choices]} />;
}

function NewValue({ made, onClose }: { made: CreatedToken; onClose(): void }) {
  const t = useT("tokens");
  const exported = `export DATABRICKS_HOST=${window.location.origin}\nexport DATABRICKS_TOKEN=${made.token_value}`;
  return (
    <Dialog
      open
      alert
      onClose={onClose}
      title={t.made}
      foot={
        <Button kind="primary" onPress={onClose}>
          {t.done}
        </Button>
      }
    >
      <p>{t.madeHelp}</p>
      <CodeBlock code={made.token_value} label={t.made} wrap />
      <p className="muted">{t.madeUse}</p>
      <CodeBlock code={exported} label={t.madeUse} />
    </Dialog>
  );
}
