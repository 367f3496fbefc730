/** Stands where a page is not written yet. */
import { useT } from "~/i18n";
import { EmptyState } from "./states";

export function BeingBuilt({ command }: { command: string }) {
  const t = useT("shell");
  return (
    <EmptyState title={t.soon.title} command={command}>
      {t.soon.help}
    </EmptyState>
  );
}
