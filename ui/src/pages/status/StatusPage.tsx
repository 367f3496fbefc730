import { BeingBuilt } from "~/components/BeingBuilt";
import { Page } from "~/components/Page";
import { useT } from "~/i18n";

export default function StatusPage() {
  const t = useT("status");
  return (
    <Page title={t.title}>
      <BeingBuilt command="cloche doctor" />
    </Page>
  );
}
