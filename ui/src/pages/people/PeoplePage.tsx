import { BeingBuilt } from "~/components/BeingBuilt";
import { Page } from "~/components/Page";
import { useT } from "~/i18n";

export default function PeoplePage() {
  const t = useT("people");
  return (
    <Page title={t.title}>
      <BeingBuilt command="cloche user list" />
    </Page>
  );
}
