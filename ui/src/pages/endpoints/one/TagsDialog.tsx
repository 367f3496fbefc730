/** Tags: labels to find endpoints and to divide costs by. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Endpoint, patchTags, type Tag } from "~/api/endpoints";
import { Button } from "~/components/Button";
import { Dialog } from "~/components/Dialog";
import { ErrorNote } from "~/components/states";
import { useT } from "~/i18n";
import { TagsEditor } from "../TagsEditor";

export function TagsDialog({ endpoint, open, onClose }: { endpoint: Endpoint; open: boolean; onClose(): void }) {
  const t = useT("endpoints");
  const words = useT("components");
  const queries = useQueryClient();
  const [tags, setTags] = useState<Tag[]>(endpoint.tags);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    setError(null);
    const kept = tags.filter((tag) => tag.key.trim());
    const gone = endpoint.tags.map((tag) => tag.key).filter((key) => !kept.some((tag) => tag.key === key));
    try {
      await patchTags(endpoint.name, kept, gone);
      await queries.invalidateQueries({ queryKey: ["endpoint", endpoint.name] });
      onClose();
    } catch (thrown) {
      setError(thrown);
    }
    setBusy(false);
  };
  const foot = (
    <>
      <Button onPress={onClose}>{words.cancel}</Button>
      <Button kind="primary" busy={busy} onPress={() => void save()}>
        {words.save}
      </Button>
    </>
  );
  return (
    <Dialog title={t.editTags} open={open} onClose={onClose} foot={foot}>
      <TagsEditor tags={tags} onChange={setTags} />
      {error !== null && <ErrorNote error={error} />}
    </Dialog>
  );
}
