import { BeingBuilt } from "~/components/BeingBuilt";
import { Page } from "~/components/Page";
import { useT } from "~/i18n";

export default function SecretsPage() {
  const t = useT("secrets");
  return (
    <Page title={t.title}>
      <BeingBuilt command="cloche secret list-scopes" />
    </Page>
  );
}
