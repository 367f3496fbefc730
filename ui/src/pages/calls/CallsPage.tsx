import { BeingBuilt } from "~/components/BeingBuilt";
import { Page } from "~/components/Page";
import { useT } from "~/i18n";

export default function CallsPage() {
  const t = useT("calls");
  return (
    <Page title={t.title}>
      <BeingBuilt command="cloche usage list" />
    </Page>
  );
}
