/** Putting a value into a scope, new or in place of another. The endpoint wizard uses it, too. */
import { useState } from "react";
import { useSecretChange } from "~/api/secrets";
import { Button } from "~/components/Button";
import { Dialog } from "~/components/Dialog";
import { TextField } from "~/components/fields";
import { ErrorNote } from "~/components/states";
import { toast } from "~/components/Toast";
import { useT } from "~/i18n";

/** `name`: the key whose value is replaced; null for a new one. `onPut` is told the key. */
export function PutSecret({ scope, name, onClose, onPut }: { scope: string; name: string | null; onClose(): void; onPut?(key: string): void }) {
  const t = useT("secrets");
  const words = useT("components");
  const put = useSecretChange("put");
  const [key, setKey] = useState(name ?? "");
  const [value, setValue] = useState("");
  const ready = key !== "" && value !== "";
  const submit = () => {
    if (!ready) return;
    put.mutate(
      { scope, key, string_value: value },
      {
        onSuccess: () => {
          toast.ok(t.saved);
          onPut?.(key);
          onClose();
        },
      },
    );
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={name === null ? t.put : t.replaceTitle(name)}
      foot={
        <>
          <Button onPress={onClose}>{words.cancel}</Button>
          <Button kind="primary" busy={put.isPending} isDisabled={!ready} onPress={submit}>
            {words.save}
          </Button>
        </>
      }
    >
      {name === null && <TextField label={t.key} value={key} onChange={setKey} mono autoFocus />}
      <TextField label={t.value} help={name === null ? t.valueHelp : t.replaceHelp} value={value} onChange={setValue} type="password" autoComplete="new-password" autoFocus={name !== null} onEnter={submit} />
      {put.error && <ErrorNote error={put.error} />}
    </Dialog>
  );
}
