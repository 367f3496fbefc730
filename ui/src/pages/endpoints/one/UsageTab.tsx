/** Who used the endpoint in the last thirty days, and how much. */
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { part } from "~/api/client";
import type { Endpoint } from "~/api/endpoints";
import { type Sum, trackUsage, useUsage } from "~/api/usage";
import { Button, ButtonLink } from "~/components/Button";
import { Chart } from "~/components/Chart";
import { EmptyState, Loaded } from "~/components/states";
import { type Column, Table } from "~/components/Table";
import { toast } from "~/components/Toast";
import { useFormat, useT } from "~/i18n";

const DAYS = 30;
const DAY = 86_400_000;

function useSums(endpoint: string, group: string) {
  // Whole days, so that the same question is asked all day.
  const [from] = useState(() => Math.floor(Date.now() / DAY) * DAY - (DAYS - 1) * DAY);
  return { from, ...useUsage({ groupBy: [group], endpoint, since: from, until: null }) };
}

export default function UsageTab({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints").usage;
  const queries = useQueryClient();
  const users = useSums(endpoint.name, "user");
  const tracked = endpoint.ai_gateway?.usage_tracking_config?.enabled;
  const track = async () => {
    try {
      await trackUsage(endpoint.name);
      await queries.invalidateQueries({ queryKey: ["endpoint", endpoint.name] });
      toast.ok(t.tracking);
    } catch (thrown) {
      toast.error(thrown);
    }
  };
  return (
    <Loaded query={users}>
      {({ usage }) =>
        usage.length === 0 ? (
          <EmptyState title={tracked ? t.empty : t.untracked} action={!tracked && endpoint.permission_level === "CAN_MANAGE" && <Button kind="primary" onPress={() => void track()}>{t.track}</Button>}>
            {tracked ? t.emptyHelp : t.untrackedHelp}
          </EmptyState>
        ) : (
          <div className="stack loose">
            <Days endpoint={endpoint.name} />
            <Users sums={usage} />
            <span>
              <ButtonLink href={`/usage?endpoint=${part(endpoint.name)}`} icon="usage">
                {t.more}
              </ButtonLink>
            </span>
          </div>
        )
      }
    </Loaded>
  );
}

function Days({ endpoint }: { endpoint: string }) {
  const t = useT("endpoints").usage;
  const format = useFormat();
  const { data, from } = useSums(endpoint, "day");
  const drawn = useMemo(() => {
    const found = new Map((data?.usage ?? []).map((sum) => [sum.group["day"]?.slice(0, 10), sum]));
    const times = Array.from({ length: DAYS }, (_, index) => from + index * DAY);
    const pick = (value: (sum: Sum) => number | null) => times.map((time) => {
      const sum = found.get(new Date(time).toISOString().slice(0, 10));
      return sum ? (value(sum) ?? 0) : 0;
    });
    return { times, series: [{ label: t.input, values: pick((sum) => sum.input_tokens), bars: true }, { label: t.output, values: pick((sum) => sum.output_tokens), color: "--chart-3" }] };
  }, [data, from, t]);
  return (
    <section className="card">
      <div className="card-head">
        <h2>{t.days}</h2>
      </div>
      <div className="card-body">
        <Chart label={t.days} times={drawn.times} series={drawn.series} format={format.compact} formatTime={format.date} />
      </div>
    </section>
  );
}

function Users({ sums }: { sums: Sum[] }) {
  const t = useT("endpoints").usage;
  const format = useFormat();
  const most = [...sums].sort((one, other) => other.calls - one.calls);
  const number = (value: number | null | undefined) => (value === null || value === undefined ? "–" : format.number(value));
  const columns: Column<Sum>[] = [
    { id: "user", header: t.user, cell: (sum) => sum.group["user"] ?? "–" },
    { id: "calls", header: t.calls, end: true, cell: (sum) => number(sum.calls) },
    { id: "errors", header: t.errors, end: true, cell: (sum) => number(sum.errors) },
    { id: "input", header: t.input, end: true, cell: (sum) => number(sum.input_tokens) },
    { id: "output", header: t.output, end: true, cell: (sum) => number(sum.output_tokens) },
    { id: "cost", header: t.cost, end: true, cell: (sum) => (typeof sum.cost_usd === "number" ? format.money(sum.cost_usd) : "–") },
  ];
  return <Table label={t.users} columns={columns} rows={most} rowKey={(sum) => sum.group["user"] ?? ""} />;
}
