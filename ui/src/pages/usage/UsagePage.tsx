/** Calls, tokens and costs added up: by endpoint, user, group or day, over time and in a table. */
import { useMemo } from "react";
import { usageCsv, type UsageFilter, useUsage } from "~/api/usage";
import { useQueryState } from "~/app/query-state";
import { Button } from "~/components/Button";
import { Segmented, Select } from "~/components/fields";
import { Page } from "~/components/Page";
import { PeriodField, usePeriod } from "~/components/Period";
import { datedName, saveFile } from "~/components/save-file";
import { EmptyState, ErrorNote, Skeleton } from "~/components/states";
import { toast } from "~/components/Toast";
import { EndpointFilter } from "~/components/usage/EndpointFilter";
import { NotCounted, NothingCounted } from "~/components/usage/Tracking";
import { useT } from "~/i18n";
import { Over } from "./Over";
import { type Group, GROUPS, type Metric, type Step, stepFor } from "./series";
import { Sums } from "./Sums";
import { TotalsView } from "./TotalsView";
import "./usage.css";

const METRICS: readonly Metric[] = ["calls", "tokens", "cost", "errors"];

export default function UsagePage() {
  const t = useT("usage");
  const query = useQueryState();
  const period = usePeriod("month");
  const endpoint = query.get("endpoint");
  const by = GROUPS.find((each) => each === query.get("by")) ?? "endpoint";
  const metric = METRICS.find((each) => each === query.get("metric")) ?? "calls";
  const step = stepFor(period.since, period.until ?? Date.now());
  const filter = useMemo(() => ({ since: period.since, until: period.until, endpoint }), [period.since, period.until, endpoint]);
  return (
    <Page title={t.title} help={t.help} actions={<Download filter={{ ...filter, groupBy: [by] }} by={by} />}>
      <div className="usage-filters">
        <Select label={t.by} value={by} onChange={(id) => query.set({ by: id === "endpoint" ? null : id, sort: null })} choices={GROUPS.map((id) => ({ id, label: t.groups[id] }))} />
        <EndpointFilter />
        <PeriodField first="month" period={period} />
      </div>
      <Figures {...{ filter, by, metric, step }} />
    </Page>
  );
}

interface FiguresProps {
  filter: Omit<UsageFilter, "groupBy">;
  by: Group;
  metric: Metric;
  step: Step;
}

function Figures({ filter, by, metric, step }: FiguresProps) {
  const t = useT("usage");
  const words = useT("components");
  const query = useQueryState();
  const parts = useUsage({ ...filter, groupBy: by === "day" ? [step] : [step, by] });
  // By group a call counts once for each group of its user: the totals must come from a question without groups.
  const apart = useUsage({ ...filter, groupBy: [step] }, by === "group");
  const whole = by === "group" ? apart : parts;
  const table = useUsage({ ...filter, groupBy: [by] });
  const error = whole.error ?? parts.error ?? table.error;
  if (error) return <ErrorNote error={error} retry={() => void Promise.all([whole.refetch(), parts.refetch(), table.refetch()])} />;
  if (!whole.data || !parts.data || !table.data) return <Skeleton lines={8} />;
  if (!whole.data.usage.length) {
    const narrowed = filter.endpoint !== null || filter.since !== null || filter.until !== null;
    const widen = () => query.set({ endpoint: null, period: "all", from: null, to: null });
    if (!narrowed) return <NothingCounted />;
    return (
      <>
        <EmptyState title={t.nothing} action={<Button onPress={widen}>{t.widen}</Button>}>
          {words.nothingMatchesHelp}
        </EmptyState>
        <NotCounted />
      </>
    );
  }
  const metrics = METRICS.map((id) => ({ id, label: t.metrics[id] }));
  return (
    <>
      <TotalsView sums={whole.data.usage} />
      <section className="card" aria-label={t.over}>
        <div className="card-head">
          <h2>{t.over}</h2>
          <Segmented<Metric> label={t.metric} value={metric} onChange={(id) => query.set({ metric: id === "calls" ? null : id })} choices={metrics} />
        </div>
        <div className="card-body">
          <Over sums={parts.data.usage} step={step} by={by === "day" ? null : by} metric={metric} />
        </div>
      </section>
      <Sums sums={table.data.usage} by={by} cut={table.data.next_page_token !== undefined} />
      {by === "group" && <p className="faint usage-note">{t.groupNote}</p>}
      <NotCounted />
    </>
  );
}

function Download({ filter, by }: { filter: UsageFilter; by: Group }) {
  const t = useT("usage");
  const download = async () => {
    try {
      saveFile(datedName(`usage-by-${by}`, "csv"), [await usageCsv(filter)], "text/csv");
    } catch (thrown) {
      toast.error(thrown);
    }
  };
  return (
    <Button icon="download" onPress={() => void download()}>
      {t.csv}
    </Button>
  );
}
