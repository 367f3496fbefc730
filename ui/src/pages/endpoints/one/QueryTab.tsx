/** Calling the endpoint: from here, and from everywhere else. */
import type { Endpoint } from "~/api/endpoints";
import { CodeBlock } from "~/components/copy";
import { useT } from "~/i18n";
import { invocationsUrl } from "./EndpointPage";

export default function QueryTab({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints");
  const body = JSON.stringify({ messages: [{ role: "user", content: "Hello" }], max_tokens: 64 });
  return <CodeBlock label={t.query} code={`curl ${invocationsUrl(endpoint.name)} \\\n  -H "Authorization: Bearer $DATABRICKS_TOKEN" \\\n  -H "Content-Type: application/json" \\\n  -d '${body}'`} />;
}
