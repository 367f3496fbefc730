import { BeingBuilt } from "~/components/BeingBuilt";
import { Page } from "~/components/Page";
import { useT } from "~/i18n";

export default function UsagePage() {
  const t = useT("usage");
  return (
    <Page title={t.title}>
      <BeingBuilt command="cloche usage" />
    </Page>
  );
}
