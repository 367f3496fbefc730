/** Fetching a model: one that is known by name, or a file of the hub. */
import { useState } from "react";
import { type KnownModel, useModelChanges } from "~/api/models";
import { Badge } from "~/components/Badge";
import { Button } from "~/components/Button";
import { Dialog } from "~/components/Dialog";
import { TextField } from "~/components/fields";
import { ErrorNote } from "~/components/states";
import { toast } from "~/components/Toast";
import { useFormat, useT } from "~/i18n";

export function PullModel({ known, onClose }: { known: KnownModel[]; onClose(): void }) {
  const t = useT("models");
  const words = useT("components");
  const format = useFormat();
  const { pull } = useModelChanges();
  const [spec, setSpec] = useState(known.find((each) => !each.present)?.name ?? "");
  const [name, setName] = useState("");
  const submit = () => {
    if (!spec.trim()) return;
    pull.mutate(
      { spec: spec.trim(), ...(name.trim() ? { name: name.trim() } : {}) },
      {
        onSuccess: () => {
          toast.info(t.started);
          onClose();
        },
      },
    );
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={t.pull}
      foot={
        <>
          <Button onPress={onClose}>{words.cancel}</Button>
          <Button kind="primary" icon="download" busy={pull.isPending} isDisabled={!spec.trim()} onPress={submit}>
            {t.fetch}
          </Button>
        </>
      }
    >
      <TextField label={t.spec} help={t.pullHelp} value={spec} onChange={setSpec} onEnter={submit} mono autoFocus />
      <TextField label={t.asName} value={name} onChange={setName} onEnter={submit} mono optional />
      <section className="stack tight" aria-label={t.known}>
        <span className="field-label">{t.known}</span>
        {known.map((each) => (
          <div key={each.name} className="row between wrap">
            <Button small kind="quiet" onPress={() => setSpec(each.name)}>
              {each.name}
            </Button>
            <span className="row">
              {each.present && <Badge tone="ok">{t.present}</Badge>}
              <span className="faint nums">{`${format.bytes(each.size)} · ${each.licence}`}</span>
            </span>
          </div>
        ))}
      </section>
      {pull.error && <ErrorNote error={pull.error} />}
    </Dialog>
  );
}
