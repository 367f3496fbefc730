/** A period, step by step, with its largest groups. */
import { useMemo } from "react";
import type { Sum } from "~/api/usage";
import { Chart } from "~/components/Chart";
import { useFormat, useT } from "~/i18n";
import { drawn, type Metric, type Step } from "./series";

export function Over({ sums, step, by, metric }: { sums: readonly Sum[]; step: Step; by: string | null; metric: Metric }) {
  const t = useT("usage");
  const format = useFormat();
  const { times, series } = useMemo(() => {
    const made = drawn(sums, step, by, metric);
    const label = (each: (typeof made.series)[number]) => (each.others ? t.others : by === null ? t.metrics[metric] : (each.group ?? t.none));
    return { times: made.times, series: made.series.map((each, index) => ({ label: label(each), values: each.values, bars: true, color: each.others ? "--chart-6" : `--chart-${(index % 5) + 1}` })) };
  }, [sums, step, by, metric, t]);
  const value = metric === "cost" ? format.money : format.compact;
  return <Chart label={`${t.over}: ${t.metrics[metric]}`} times={times} series={series} stacked height={240} format={value} formatTime={step === "day" ? format.date : format.dateTime} />;
}
