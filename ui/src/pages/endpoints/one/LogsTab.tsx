/** What a local model's engine says, and how the configurations were made ready. */
import { useQuery } from "@tanstack/react-query";
import { api, part } from "~/api/client";
import { type Endpoint, endpointPath } from "~/api/endpoints";
import { useQueryState } from "~/app/query-state";
import { IconButton } from "~/components/Button";
import { CodeBlock } from "~/components/copy";
import { Segmented, Select } from "~/components/fields";
import { EmptyState, Loaded } from "~/components/states";
import { useT } from "~/i18n";

export default function LogsTab({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints").logs;
  const words = useT("components");
  const query = useQueryState();
  const names = [...new Set([...(endpoint.config?.served_entities ?? []), ...(endpoint.pending_config?.served_entities ?? [])].map((entity) => entity.name))];
  const asked = query.get("entity");
  const entity = asked && names.includes(asked) ? asked : (names[0] ?? "");
  const kind = query.get("log") === "build" ? "build" : "engine";
  const logs = useQuery({
    queryKey: ["logs", endpoint.name, entity, kind],
    queryFn: ({ signal }) => api.get<{ logs: string }>(endpointPath(endpoint.name, `/served-models/${part(entity)}/${kind === "build" ? "build-logs" : "logs"}`), {}, signal),
    refetchInterval: 5000,
    enabled: entity !== "",
  });
  return (
    <div className="stack">
      <div className="toolbar">
        <Segmented label={t.kind} value={kind} onChange={(id) => query.set({ log: id === "build" ? "build" : null })} choices={[{ id: "engine", label: t.engine }, { id: "build", label: t.build }]} />
        {names.length > 1 && <Select label={t.entity} hideLabel value={entity} onChange={(id) => query.set({ entity: id })} choices={names.map((id) => ({ id, label: id }))} />}
        <IconButton label={words.refresh} icon="refresh" onPress={() => void logs.refetch()} />
      </div>
      <Loaded query={logs}>
        {(told) =>
          told.logs.trim() ? (
            <div className="endpoints-log">
              <CodeBlock label={kind === "build" ? t.build : t.engine} code={told.logs} wrap />
            </div>
          ) : (
            <EmptyState title={t.empty}>{t.emptyHelp}</EmptyState>
          )
        }
      </Loaded>
    </div>
  );
}
