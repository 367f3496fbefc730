/** What is going on with an endpoint, where it is not simply serving: what is coming, and why something failed. */
import type { Endpoint, ServedEntity } from "~/api/endpoints";
import { useQueryState } from "~/app/query-state";
import { Button } from "~/components/Button";
import { Banner } from "~/components/states";
import { useFormat, useT } from "~/i18n";

export function StateBanner({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints").banner;
  const format = useFormat();
  const query = useQueryState();
  const { config, pending_config: pending, state } = endpoint;
  const logs = (
    <Button small onPress={() => query.set({ tab: "logs", log: "build" }, true)}>
      {t.buildLogs}
    </Button>
  );
  if (state.config_update === "IN_PROGRESS")
    return (
      <Banner tone="info" action={logs}>
        <strong>{config ? t.updating(config.config_version) : t.creating}</strong>
        {pending?.start_time !== undefined && <span className="muted">{t.since(format.ago(pending.start_time))}</span>}
        <Reasons entities={pending?.served_entities} />
      </Banner>
    );
  if (state.config_update === "UPDATE_FAILED" || state.config_update === "UPDATE_CANCELED")
    return (
      <Banner tone={config ? "warn" : "bad"} action={logs}>
        <strong>{config ? t.updateFailed(config.config_version) : t.createFailed}</strong>
        <Reasons entities={pending?.served_entities} />
      </Banner>
    );
  const open = Object.entries(state.circuit_breakers ?? {}).filter(([, circuit]) => circuit.toLowerCase() !== "closed");
  if (open.length)
    return (
      <Banner tone="warn">
        <strong>{t.circuits(open.map(([entity]) => entity).join(", "))}</strong>
        <span className="muted">{t.circuitsHelp}</span>
      </Banner>
    );
  if (state.ready === "NOT_READY")
    return (
      <Banner tone="bad" action={logs}>
        <strong>{t.notReady}</strong>
        <Reasons entities={config?.served_entities} />
      </Banner>
    );
  return null;
}

function Reasons({ entities = [] }: { entities?: ServedEntity[] }) {
  const told = entities.filter((entity) => entity.state?.deployment_state_message);
  return (
    <ul className="stack tight">
      {told.map((entity) => (
        <li key={entity.name} className="break">
          <code>{entity.name}</code>: {entity.state?.deployment_state_message}
        </li>
      ))}
    </ul>
  );
}
