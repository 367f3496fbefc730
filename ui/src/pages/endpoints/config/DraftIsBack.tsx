/** Says that what was typed before is there again, and offers to begin anew. */
import { Button } from "~/components/Button";
import { Banner } from "~/components/states";
import { useT } from "~/i18n";
import type { Draft } from "./use-draft";

export function DraftIsBack({ draft }: { draft: Draft<unknown> }) {
  const t = useT("endpoints").draft;
  if (!draft.isBack) return null;
  return (
    <Banner
      tone="info"
      action={
        <Button small onPress={draft.discard}>
          {t.anew}
        </Button>
      }
    >
      {t.back}
    </Banner>
  );
}
