import { BeingBuilt } from "~/components/BeingBuilt";
import { Page } from "~/components/Page";
import { useT } from "~/i18n";

export default function ModelsPage() {
  const t = useT("models");
  return (
    <Page title={t.title}>
      <BeingBuilt command="cloche models list" />
    </Page>
  );
}
