import { BeingBuilt } from "~/components/BeingBuilt";
import { Page } from "~/components/Page";
import { useT } from "~/i18n";

export default function EndpointsPage() {
  const t = useT("endpoints");
  return (
    <Page title={t.title}>
      <BeingBuilt command="cloche endpoint list" />
    </Page>
  );
}
