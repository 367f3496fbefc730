/** The last hour minute by minute, as this host counted it. */
import { useMemo } from "react";
import { type Endpoint, useSeries } from "~/api/endpoints";
import { Chart } from "~/components/Chart";
import { Loaded } from "~/components/states";
import { useFormat, useT } from "~/i18n";

export default function MetricsTab({ endpoint }: { endpoint: Endpoint }) {
  const series = useSeries(endpoint.name);
  return <Loaded query={series}>{({ minutes }) => <Charts minutes={minutes} />}</Loaded>;
}

function Charts({ minutes }: { minutes: NonNullable<ReturnType<typeof useSeries>["data"]>["minutes"] }) {
  const t = useT("endpoints").metrics;
  const format = useFormat();
  const drawn = useMemo(
    () => ({
      times: minutes.map((minute) => minute.time),
      calls: [{ label: t.calls, values: minutes.map((minute) => minute.calls), fill: true }],
      errors: [
        { label: t.clientErrors, values: minutes.map((minute) => minute.client_errors), color: "--chart-3", fill: true },
        { label: t.serverErrors, values: minutes.map((minute) => minute.server_errors), color: "--chart-5", fill: true },
      ],
      latency: [
        { label: t.p50, values: minutes.map((minute) => minute.latency_ms_p50), color: "--chart-2" },
        { label: t.p95, values: minutes.map((minute) => minute.latency_ms_p95), color: "--chart-4" },
      ],
    }),
    [minutes, t],
  );
  return (
    <div className="stack loose">
      <p className="faint">{t.help}</p>
      <div className="endpoints-charts">
        <Card title={t.callsTitle}>
          <Chart label={t.callsTitle} times={drawn.times} series={drawn.calls} formatTime={format.time} />
        </Card>
        <Card title={t.errorsTitle}>
          <Chart label={t.errorsTitle} times={drawn.times} series={drawn.errors} formatTime={format.time} />
        </Card>
        <Card title={t.latencyTitle}>
          <Chart label={t.latencyTitle} times={drawn.times} series={drawn.latency} format={format.duration} formatTime={format.time} />
        </Card>
      </div>
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
