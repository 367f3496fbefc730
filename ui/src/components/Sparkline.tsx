/** A row's last hour at a glance: bars for calls, the failed part in another colour. `label` says it in words. */
export interface Tick {
  calls: number;
  errors: number;
}

interface SparklineProps {
  ticks: readonly Tick[];
  label: string;
  width?: number;
  height?: number;
  /** As wide as there is room. */
  stretch?: boolean;
}

export function Sparkline({ ticks, label, width = 120, height = 22, stretch }: SparklineProps) {
  const most = Math.max(1, ...ticks.map((tick) => tick.calls));
  const step = width / Math.max(1, ticks.length);
  return (
    <svg className="sparkline" role="img" aria-label={label} width={stretch ? "100%" : width} height={height} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio={stretch ? "none" : undefined}>
      <path d={`M0 ${height - 0.5}H${width}`} stroke="var(--border-strong)" strokeWidth="1" />
      <path d={bars(ticks.map((tick) => tick.calls), most, step, height)} fill="var(--chart-1)" />
      <path d={bars(ticks.map((tick) => tick.errors), most, step, height)} fill="var(--chart-5)" />
    </svg>
  );
}

/** One path for all bars: a list of a thousand rows draws three elements each. */
export function bars(values: readonly number[], most: number, step: number, height: number): string {
  return values
    .map((value, index) => {
      if (!value) return "";
      const tall = Math.max(1.5, (value / most) * (height - 2));
      const left = (index * step + 0.2).toFixed(1);
      return `M${left} ${(height - tall).toFixed(1)}h${Math.max(0.8, step - 0.6).toFixed(1)}V${height}H${left}z`;
    })
    .join("");
}
