import { BeingBuilt } from "~/components/BeingBuilt";
import { Page } from "~/components/Page";
import { useT } from "~/i18n";

export default function AuditPage() {
  const t = useT("audit");
  return (
    <Page title={t.title}>
      <BeingBuilt command="cloche audit" />
    </Page>
  );
}
