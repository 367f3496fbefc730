/** A new user, group or service principal. */
import { useState } from "react";
import { type Kind, usePeopleChanges } from "~/api/people";
import { Button } from "~/components/Button";
import { Dialog } from "~/components/Dialog";
import { TextField } from "~/components/fields";
import { ErrorNote } from "~/components/states";
import { useT } from "~/i18n";

export function AddPerson({ kind, onClose, onMade }: { kind: Kind; onClose(): void; onMade(id: string): void }) {
  const t = useT("people");
  const words = useT("components");
  const { create } = usePeopleChanges(kind);
  const [name, setName] = useState("");
  const [shown, setShown] = useState("");
  const submit = () => {
    if (!name.trim()) return;
    const body = kind === "Users" ? { userName: name.trim(), ...(shown.trim() ? { displayName: shown.trim() } : {}) } : { displayName: name.trim() };
    create.mutate(body, {
      onSuccess: (made) => {
        onMade(made.id);
        onClose();
      },
    });
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={t.create[kind]}
      foot={
        <>
          <Button onPress={onClose}>{words.cancel}</Button>
          <Button kind="primary" busy={create.isPending} isDisabled={!name.trim()} onPress={submit}>
            {words.create}
          </Button>
        </>
      }
    >
      <TextField label={kind === "Users" ? t.userName : t.name} help={kind === "Users" ? t.userNameHelp : undefined} value={name} onChange={setName} onEnter={submit} autoFocus />
      {kind === "Users" && <TextField label={t.displayName} value={shown} onChange={setShown} onEnter={submit} optional />}
      {create.error && <ErrorNote error={create.error} />}
    </Dialog>
  );
}
