/** How the server is doing: what is wrong first, then each thing it rests on. */
import type { ReactNode } from "react";
import { Link } from "wouter";
import { type BreakerState, type Engine, type Health, useHealth } from "~/api/health";
import { StateDot, type Tone } from "~/components/Badge";
import { Icon } from "~/components/Icon";
import { Page } from "~/components/Page";
import { ErrorNote, Skeleton } from "~/components/states";
import { type Column, Table } from "~/components/Table";
import { useFormat, useT } from "~/i18n";
import { EngineState } from "./EngineState";

export default function StatusPage() {
  const t = useT("status");
  const found = useHealth();
  return (
    <Page title={t.title} help={t.help}>
      {found.error && <ErrorNote error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Skeleton />}
      {found.data && <Whole health={found.data} />}
    </Page>
  );
}

function Whole({ health }: { health: Health }) {
  const t = useT("status");
  return (
    <div className="stack loose">
      <Banner health={health} />
      <Figures health={health} />
      {health.database ? <Details health={health} /> : <p className="muted">{t.adminsSeeMore}</p>}
    </div>
  );
}

function Banner({ health }: { health: Health }) {
  const t = useT("status");
  const well = health.status === "ok";
  return (
    <div className={`banner ${well ? "ok" : "warn"}`} role="status">
      <Icon name={well ? "check" : "warn"} />
      <div className="stack tight grow">
        <strong>{well ? t.ok : t.degraded}</strong>
        {health.problems?.map((problem) => (
          <span key={problem} className="break">
            {problem}
          </span>
        ))}
      </div>
    </div>
  );
}

function Stat({ label, value, note }: { label: string; value: ReactNode; note?: ReactNode }) {
  return (
    <div className="stat">
      <span className="stat-label">{label}</span>
      <span className="stat-value">{value}</span>
      {note && <span className="stat-note">{note}</span>}
    </div>
  );
}

function Figures({ health }: { health: Health }) {
  const t = useT("status");
  const format = useFormat();
  const { endpoints } = health;
  return (
    <div className="grid-3">
      <Stat label={t.endpoints} value={t.endpointsOf(endpoints.ready, endpoints.total)} note={endpoints.failed ? t.failed(endpoints.failed) : undefined} />
      <Stat label={t.since} value={format.ago(health.started_at)} note={format.dateTime(health.started_at)} />
      <Stat label={t.workers} value={format.number(health.workers)} note={`${t.version} ${health.version}`} />
      {health.resident_bytes !== undefined && <Stat label={t.memory} value={format.bytes(health.resident_bytes)} />}
      {health.database && <DatabaseStat database={health.database} />}
      {health.valkey !== undefined && <ValkeyStat valkey={health.valkey} />}
    </div>
  );
}

function DatabaseStat({ database }: { database: NonNullable<Health["database"]> }) {
  const t = useT("status");
  const format = useFormat();
  const speed = database.latency_ms === null ? "" : ` ${t.latency(format.duration(database.latency_ms))}`;
  return (
    <Stat
      label={`${t.database}: ${t.kinds[database.kind]}`}
      value={<StateDot tone={database.reachable ? "ok" : "bad"} label={database.reachable ? t.reachable : t.unreachable} />}
      note={`${t.revision(format.number(database.revision))}${speed}`}
    />
  );
}

function ValkeyStat({ valkey }: { valkey: Health["valkey"] }) {
  const t = useT("status");
  if (!valkey?.configured) return <Stat label={t.valkey} value="—" note={t.noValkey} />;
  return <Stat label={t.valkey} value={<StateDot tone={valkey.reachable ? "ok" : "bad"} label={valkey.reachable ? t.reachable : t.unreachable} />} />;
}

function Details({ health }: { health: Health }) {
  const t = useT("status");
  const format = useFormat();
  return (
    <>
      <section className="stack" aria-label={t.engines}>
        <h2>{t.engines}</h2>
        {health.engines?.length ? <Engines engines={health.engines} /> : <p className="muted">{t.noEngines}</p>}
      </section>
      <section className="stack" aria-label={t.breakers}>
        <h2>{t.breakers}</h2>
        {health.breakers?.length ? <Breakers breakers={health.breakers} /> : <p className="muted">{t.noBreakers}</p>}
      </section>
      <section className="stack" aria-label={t.queues}>
        <h2>{t.queues}</h2>
        <dl className="facts">
          <dt>{t.usageRows}</dt>
          <dd className="nums">{format.number(health.usage_rows_waiting ?? 0)}</dd>
          <dt>{t.payloadRows}</dt>
          <dd className="nums">{format.number(health.payload_rows_waiting ?? 0)}</dd>
          <dt>{t.logLost}</dt>
          <dd className="nums">{format.number(health.log_lines_lost ?? 0)}</dd>
        </dl>
      </section>
    </>
  );
}

function Engines({ engines }: { engines: Engine[] }) {
  const t = useT("status");
  const format = useFormat();
  const columns: Column<Engine>[] = [
    { id: "model", header: t.model, cell: (engine) => <span className="break">{engine.model}</span> },
    {
      id: "state",
      header: t.state,
      wide: true,
      cell: (engine) => (
        <div className="stack tight">
          <EngineState state={engine.state} />
          {engine.message && <span className="faint break">{engine.message}</span>}
        </div>
      ),
    },
    { id: "active", header: t.active, end: true, cell: (engine) => format.number(engine.active) },
    { id: "waiting", header: t.waiting, end: true, cell: (engine) => format.number(engine.waiting) },
  ];
  return <Table label={t.engines} columns={columns} rows={engines} rowKey={(engine) => engine.model} />;
}

type Breaker = NonNullable<Health["breakers"]>[number];
const BREAKER_TONES: Record<BreakerState, Tone> = { CLOSED: "ok", OPEN: "bad", HALF_OPEN: "warn" };

function Breakers({ breakers }: { breakers: Breaker[] }) {
  const t = useT("status");
  const columns: Column<Breaker>[] = [
    { id: "endpoint", header: t.endpoint, cell: (each) => <Link href={`/endpoints/${encodeURIComponent(each.endpoint)}`}>{each.endpoint}</Link> },
    { id: "entity", header: t.entity, cell: (each) => each.entity },
    { id: "state", header: t.state, cell: (each) => <StateDot tone={BREAKER_TONES[each.state]} label={t.breakerStates[each.state]} /> },
  ];
  return <Table label={t.breakers} columns={columns} rows={breakers} rowKey={(each) => `${each.endpoint} ${each.entity}`} />;
}
