/** What the gateway does at an endpoint, in a few words each. */
import type { AiGateway } from "~/api/endpoints";
import { useQueryState } from "~/app/query-state";
import { Badge } from "~/components/Badge";
import { Button } from "~/components/Button";
import { useT } from "~/i18n";
import { isOn, SECTIONS } from "./sections";

export function GatewaySummary({ rules }: { rules: AiGateway }) {
  const t = useT("endpoints");
  const query = useQueryState();
  const g = t.gateway;
  const table = rules.inference_table_config;
  const guards = [rules.guardrails?.input, rules.guardrails?.output].filter((side) => side && Object.keys(side).length).length;
  const on: [string, string][] = [
    ...(rules.usage_tracking_config?.enabled ? [[g.usage.title, ""] as [string, string]] : []),
    ...(table?.enabled ? [[g.table.title, [table.catalog_name, table.schema_name, table.table_name_prefix].filter(Boolean).join(".")] as [string, string]] : []),
    ...(rules.rate_limits?.length ? [[g.limits.title, String(rules.rate_limits.length)] as [string, string]] : []),
    ...(guards ? [[g.guardrails.title, ""] as [string, string]] : []),
    ...(rules.fallback_config?.enabled ? [[g.fallback.title, ""] as [string, string]] : []),
    ...SECTIONS.filter((section) => isOn(section, rules[section.id])).map((section): [string, string] => [g.sections[section.id].title, ""]),
    ...(Array.isArray(rules["prices"]) ? [[g.prices.title, ""] as [string, string]] : []),
  ];
  return (
    <section className="card">
      <div className="card-head">
        <h2>{t.tabs.gateway}</h2>
        <Button small kind="quiet" onPress={() => query.set({ tab: "gateway" }, true)}>
          {g.open}
        </Button>
      </div>
      <div className="card-body row wrap">
        {on.length === 0 && <span className="muted">{g.nothing}</span>}
        {on.map(([name, note]) => (
          <Badge key={name} tone="accent">
            {note ? `${name}: ${note}` : name}
          </Badge>
        ))}
      </div>
    </section>
  );
}
