import { BeingBuilt } from "~/components/BeingBuilt";
import { Page } from "~/components/Page";
import { useT } from "~/i18n";

export default function PlaygroundPage() {
  const t = useT("playground");
  return (
    <Page title={t.title}>
      <BeingBuilt command="cloche chat" />
    </Page>
  );
}
