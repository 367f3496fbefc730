/** What an endpoint is made of, and the last hour in figures. */
import { useMutation } from "@tanstack/react-query";
import { type Endpoint, type EndpointConfig, modelOf, type Probe, probeEndpoint, type ServedEntity, useProviders, useSeries } from "~/api/endpoints";
import { useIsAdmin } from "~/api/me";
import { Badge, StateDot, type Tone } from "~/components/Badge";
import { Button } from "~/components/Button";
import { Sparkline } from "~/components/Sparkline";
import { ErrorNote } from "~/components/states";
import { useFormat, useT } from "~/i18n";
import { taskWord } from "../list/EndpointList";
import { ProbeResult } from "../ProbeResult";
import { GatewaySummary } from "../gateway/GatewaySummary";
import { Spending } from "./Spending";

export function Overview({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints");
  const admin = useIsAdmin();
  const probe = useMutation({ mutationFn: () => probeEndpoint(endpoint.name) });
  return (
    <div className="endpoints-overview">
      <div className="stack loose">
        <LastHour name={endpoint.name} />
        {endpoint.config && <Entities config={endpoint.config} title={t.entities} probes={probe.data?.probes} probe={endpoint.permission_level === "CAN_MANAGE" && hasExternal(endpoint) ? probe : undefined} />}
        {probe.error && <ErrorNote error={probe.error} />}
        {endpoint.pending_config && <Entities config={endpoint.pending_config} title={endpoint.state.config_update === "IN_PROGRESS" ? t.pendingEntities : t.failedEntities} />}
      </div>
      <div className="stack loose">
        <Facts endpoint={endpoint} />
        <GatewaySummary rules={endpoint.ai_gateway ?? {}} />
        {admin && <Spending endpoint={endpoint.name} />}
      </div>
    </div>
  );
}

function hasExternal(endpoint: Endpoint): boolean {
  return endpoint.config?.served_entities.some((entity) => entity.external_model) ?? false;
}

function LastHour({ name }: { name: string }) {
  const words = useT("endpoints");
  const t = words.hour;
  const format = useFormat();
  const series = useSeries(name);
  const minutes = series.data?.minutes ?? [];
  const sum = (pick: (minute: (typeof minutes)[number]) => number) => minutes.reduce((total, minute) => total + pick(minute), 0);
  const calls = sum((minute) => minute.calls);
  const errors = sum((minute) => minute.client_errors + minute.server_errors);
  const latest = minutes.findLast((minute) => minute.latency_ms_p50 !== null);
  const told = (value: number | null | undefined) => (value === null || value === undefined ? "–" : format.duration(value));
  const ticks = minutes.map((minute) => ({ calls: minute.calls, errors: minute.client_errors + minute.server_errors }));
  return (
    <section className="stack" aria-label={t.title}>
      <dl className="endpoints-stats">
        <Stat label={t.calls} value={format.compact(calls)} />
        <Stat label={t.errors} value={calls ? format.percent(errors / calls, 1) : "–"} note={errors ? format.number(errors) : undefined} />
        <Stat label={t.p50} value={told(latest?.latency_ms_p50)} />
        <Stat label={t.p95} value={told(latest?.latency_ms_p95)} />
      </dl>
      {calls > 0 && (
        <div className="card pad stack tight">
          <Sparkline ticks={ticks} label={words.lastHour(format.number(calls), format.number(errors))} width={600} height={64} stretch />
          <span className="row between faint nums">
            <small>{format.time(minutes[0]?.time ?? 0)}</small>
            <small>{format.time(minutes.at(-1)?.time ?? 0)}</small>
          </span>
        </div>
      )}
    </section>
  );
}

function Stat({ label, value, note }: { label: string; value: string; note?: string }) {
  return (
    <div className="stat">
      <dt>{label}</dt>
      <dd>
        {value} {note && <span className="stat-note">{note}</span>}
      </dd>
    </div>
  );
}

const TONES: Record<string, Tone> = { DEPLOYMENT_READY: "ok", DEPLOYMENT_CREATING: "info", DEPLOYMENT_RECOVERING: "warn", DEPLOYMENT_FAILED: "bad", DEPLOYMENT_ABORTED: "bad" };

interface Probing {
  mutate(): void;
  isPending: boolean;
}

function Entities({ config, title, probes, probe }: { config: EndpointConfig; title: string; probes?: Probe[]; probe?: Probing }) {
  const t = useT("endpoints");
  return (
    <section className="card">
      <div className="card-head">
        <h2>{title}</h2>
        <span className="row">
          <Badge>{t.version(config.config_version)}</Badge>
          {probe && (
            <Button small icon="play" busy={probe.isPending} onPress={() => probe.mutate()}>
              {t.probe}
            </Button>
          )}
        </span>
      </div>
      <ul className="endpoints-entities">
        {config.served_entities.map((entity) => (
          <Entity key={entity.name} entity={entity} share={config.traffic_config?.routes.find((route) => route.served_entity_name === entity.name)?.traffic_percentage ?? 0} probe={probes?.find((each) => each.entity === entity.name)} />
        ))}
      </ul>
    </section>
  );
}

function Entity({ entity, share, probe }: { entity: ServedEntity; share: number; probe?: Probe }) {
  const t = useT("endpoints");
  const providers = useProviders();
  const { model, provider } = modelOf(entity);
  const state = entity.state?.deployment ?? "DEPLOYMENT_READY";
  const title = provider === "local" ? t.local : (providers.data?.find((each) => each.name === provider)?.title ?? provider);
  return (
    <li className="endpoints-entity">
      <div className="row between wrap">
        <span className="row grow">
          <StateDot tone={TONES[state] ?? "idle"} pulse={state === "DEPLOYMENT_CREATING"} label={t.deployments[state] ?? state} hideLabel />
          <span className="endpoints-title">
            <strong className="break">{entity.name}</strong>
            <span className="muted break">
              {model !== entity.name && `${model} · `}
              {title}
            </span>
          </span>
        </span>
        <span className="row nowrap">
          <span className="endpoints-share" aria-hidden="true">
            <span style={{ width: `${share}%` }} />
          </span>
          <span className="nums endpoints-percent">{share > 0 ? `${share}%` : t.spare}</span>
        </span>
      </div>
      {state !== "DEPLOYMENT_READY" && (
        <p className="muted break">
          {t.deployments[state] ?? state}
          {entity.state?.deployment_state_message && `: ${entity.state.deployment_state_message}`}
        </p>
      )}
      {probe && <ProbeResult probe={probe} />}
    </li>
  );
}

function Facts({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints");
  const format = useFormat();
  return (
    <section className="card pad">
      <h2 className="sr-only">{t.facts.title}</h2>
      <dl className="facts">
        <dt>{t.columns.task}</dt>
        <dd>{taskWord(t.tasks, endpoint.task)}</dd>
        <dt>{t.columns.owner}</dt>
        <dd>{endpoint.creator}</dd>
        <dt>{t.facts.created}</dt>
        <dd>{format.dateTime(endpoint.creation_timestamp)}</dd>
        <dt>{t.columns.updated}</dt>
        <dd title={format.dateTime(endpoint.last_updated_timestamp)}>{format.ago(endpoint.last_updated_timestamp)}</dd>
        <dt>{t.facts.level}</dt>
        <dd>{t.levels[endpoint.permission_level]}</dd>
        <dt>{t.facts.id}</dt>
        <dd>
          <code className="break">{endpoint.id}</code>
        </dd>
      </dl>
    </section>
  );
}
