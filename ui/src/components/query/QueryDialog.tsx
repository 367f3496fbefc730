/** The query panel in a dialog, for pages that have other things to show. */
import { useQueryState } from "~/app/query-state";
import { Dialog } from "~/components/Dialog";
import { useT } from "~/i18n";
import { QueryPanel, type QueryPanelProps } from "./QueryPanel";

export function QueryDialog({ open, onClose, ...panel }: QueryPanelProps & { open: boolean; onClose(): void }) {
  const t = useT("query");
  const query = useQueryState();
  const close = () => {
    query.set({ client: null });
    onClose();
  };
  return (
    <Dialog title={t.title(panel.endpoint)} open={open} onClose={close} wide>
      <QueryPanel {...panel} />
    </Dialog>
  );
}
