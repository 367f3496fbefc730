/** Calls, errors and latency: of the last hour as this host counted them, of longer from the usage table. */
import { useMemo, useState } from "react";
import { type Endpoint, useSeries } from "~/api/endpoints";
import { useUsage } from "~/api/usage";
import { useQueryState } from "~/app/query-state";
import { Chart } from "~/components/Chart";
import { Segmented } from "~/components/fields";
import { Banner, Loaded } from "~/components/states";
import { useFormat, useT } from "~/i18n";
import { filled, HOUR, type Point } from "./points";

const RANGES = { hour: 0, day: 24, month: 30 } as const;
type Range = keyof typeof RANGES;

export default function MetricsTab({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints").metrics;
  const query = useQueryState();
  const asked = query.get("range");
  const range: Range = asked === "day" || asked === "month" ? asked : "hour";
  return (
    <div className="stack loose">
      <div className="row between wrap">
        <p className="faint">{range === "hour" ? t.help : t.usageHelp}</p>
        <Segmented label={t.range} value={range} onChange={(id) => query.set({ range: id === "hour" ? null : id })} choices={(["hour", "day", "month"] as const).map((id) => ({ id, label: t.ranges[id] }))} />
      </div>
      {range === "hour" ? <LastHour endpoint={endpoint.name} /> : <FromUsage key={range} endpoint={endpoint} range={range} />}
    </div>
  );
}

function LastHour({ endpoint }: { endpoint: string }) {
  const series = useSeries(endpoint);
  const format = useFormat();
  return (
    <Loaded query={series}>
      {({ minutes }) => (
        <Charts
          points={minutes.map((minute) => ({ time: minute.time, calls: minute.calls, clientErrors: minute.client_errors, errors: minute.server_errors, p50: minute.latency_ms_p50, p95: minute.latency_ms_p95 }))}
          formatTime={format.time}
          per="minute"
        />
      )}
    </Loaded>
  );
}

function FromUsage({ endpoint, range }: { endpoint: Endpoint; range: "day" | "month" }) {
  const t = useT("endpoints").metrics;
  const format = useFormat();
  const step = range === "day" ? HOUR : 24 * HOUR;
  // Whole steps, so that the same question is asked for a while.
  const [from] = useState(() => Math.floor(Date.now() / step) * step - (RANGES[range] - 1) * step);
  const usage = useUsage({ groupBy: [range === "day" ? "hour" : "day"], endpoint: endpoint.name, since: from, until: null });
  if (!endpoint.ai_gateway?.usage_tracking_config?.enabled) return <Banner tone="info">{t.untracked}</Banner>;
  return (
    <Loaded query={usage}>
      {(told) => <Charts points={filled(told.usage, range === "day" ? "hour" : "day", from, RANGES[range])} formatTime={range === "day" ? format.dateTime : format.date} per={range === "day" ? "hour" : "day"} />}
    </Loaded>
  );
}

function Charts({ points, formatTime, per }: { points: Point[]; formatTime(time: number): string; per: "minute" | "hour" | "day" }) {
  const t = useT("endpoints").metrics;
  const format = useFormat();
  const key = JSON.stringify(points);
  const drawn = useMemo(() => {
    const clientErrors = points.some((point) => point.clientErrors !== null) ? [{ label: t.clientErrors, values: points.map((point) => point.clientErrors), color: "--chart-3", fill: true }] : [];
    return {
      times: points.map((point) => point.time),
      calls: [{ label: t.calls, values: points.map((point) => point.calls), fill: true }],
      errors: [...clientErrors, { label: clientErrors.length ? t.serverErrors : t.errors, values: points.map((point) => point.errors), color: "--chart-5", fill: true }],
      latency: [
        { label: t.p50, values: points.map((point) => point.p50), color: "--chart-2" },
        { label: t.p95, values: points.map((point) => point.p95), color: "--chart-4" },
      ],
    };
    // `key` is what the points say: the same figures are not drawn again.
  }, [key, t]);
  return (
    <div className="endpoints-charts">
      <Card title={t.callsTitle[per]}>
        <Chart label={t.callsTitle[per]} times={drawn.times} series={drawn.calls} formatTime={formatTime} />
      </Card>
      <Card title={t.errorsTitle[per]}>
        <Chart label={t.errorsTitle[per]} times={drawn.times} series={drawn.errors} formatTime={formatTime} />
      </Card>
      <Card title={t.latencyTitle}>
        <Chart label={t.latencyTitle} times={drawn.times} series={drawn.latency} format={format.duration} formatTime={formatTime} />
      </Card>
    </div>
  );
}

function Card({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section className="card">
      <div className="card-head">
        <h2>{title}</h2>
      </div>
      <div className="card-body">{children}</div>
    </section>
  );
}
