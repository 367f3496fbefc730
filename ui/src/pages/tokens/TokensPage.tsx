import { BeingBuilt } from "~/components/BeingBuilt";
import { Page } from "~/components/Page";
import { useT } from "~/i18n";

export default function TokensPage() {
  const t = useT("tokens");
  return (
    <Page title={t.title}>
      <BeingBuilt command="cloche token list" />
    </Page>
  );
}
