/** Calling the endpoint: from here, and from everywhere else. */
import { part } from "~/api/client";
import type { Endpoint } from "~/api/endpoints";
import { ButtonLink } from "~/components/Button";
import { QueryPanel } from "~/components/query/QueryPanel";
import { Banner } from "~/components/states";
import { useT } from "~/i18n";

export default function QueryTab({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints");
  if (endpoint.permission_level === "CAN_VIEW") return <Banner tone="info">{t.mayNotQuery}</Banner>;
  return (
    <div className="stack">
      <QueryPanel endpoint={endpoint.name} task={endpoint.task} />
      {endpoint.task === "llm/v1/chat" && (
        <span>
          <ButtonLink href={`/playground?endpoint=${part(endpoint.name)}`} icon="playground">
            {t.openPlayground}
          </ButtonLink>
        </span>
      )}
    </div>
  );
}
