/** Sums over time, made ready to be drawn. Pure; times are Unix milliseconds, UTC as the server groups them. */
import type { Sum } from "~/api/usage";

export const GROUPS = ["endpoint", "entity", "user", "group", "day"] as const;
export type Group = (typeof GROUPS)[number];
export type Step = "minute" | "hour" | "day";
export type Metric = "calls" | "tokens" | "cost" | "errors";

const LENGTH: Record<Step, number> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** How fine a period is drawn. */
export function stepFor(since: number | null, until: number): Step {
  const length = since === null ? Infinity : until - since;
  if (length <= 2 * LENGTH.hour) return "minute";
  return length <= 3 * LENGTH.day ? "hour" : "day";
}

export function valueOf(sum: Sum, metric: Metric): number {
  if (metric === "tokens") return sum.input_tokens + sum.output_tokens;
  return metric === "cost" ? (sum.cost_usd ?? 0) : sum[metric];
}

/** The groups with the most, the largest first. */
export function largest(sums: readonly Sum[], name: string, metric: Metric, count: number): (string | null)[] {
  const totals = new Map<string | null, number>();
  for (const sum of sums) {
    const group = sum.group[name] ?? null;
    totals.set(group, (totals.get(group) ?? 0) + valueOf(sum, metric));
  }
  return [...totals].sort(([, one], [, other]) => other - one).slice(0, count).map(([group]) => group);
}

export interface Drawn {
  times: number[];
  /** `others`: everything that is in no group of its own. */
  series: { group: string | null; others: boolean; values: number[] }[];
}

const timeOf = (text: string): number => Date.parse(text.length === 10 ? `${text}T00:00Z` : `${text}Z`);

/** Each step from the first to the last call, those without calls as zero; `name` null: all calls together. */
export function drawn(sums: readonly Sum[], step: Step, name: string | null, metric: Metric, most = 5): Drawn {
  const times = steps(sums, step);
  const place = new Map(times.map((time, index) => [time, index]));
  const groups = name === null ? [null] : largest(sums, name, metric, most);
  const rest = { group: null, others: true, values: times.map(() => 0) };
  const series = groups.map((group) => ({ group, others: false, values: times.map(() => 0) }));
  for (const sum of sums) {
    const at = place.get(timeOf(sum.group[step] ?? ""));
    if (at === undefined) continue;
    const own = name === null ? 0 : groups.indexOf(sum.group[name] ?? null);
    const into = (series[own] ?? rest).values;
    into[at] = (into[at] ?? 0) + valueOf(sum, metric);
  }
  return { times, series: rest.values.some((value) => value > 0) ? [...series, rest] : series };
}

function steps(sums: readonly Sum[], step: Step): number[] {
  const known = sums.map((sum) => timeOf(sum.group[step] ?? "")).filter((time) => !Number.isNaN(time));
  if (!known.length) return [];
  const [first, last] = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
  const count = Math.min(5000, Math.round((last - first) / LENGTH[step]) + 1);
  return Array.from({ length: count }, (_, index) => first + index * LENGTH[step]);
}

export interface Totals {
  calls: number;
  errors: number;
  cancelled: number;
  input: number;
  output: number;
  estimated: number;
  /** Null: no price is known. */
  cost: number | null;
  unpriced: number;
}

export function totalsOf(sums: readonly Sum[]): Totals {
  const all: Totals = { calls: 0, errors: 0, cancelled: 0, input: 0, output: 0, estimated: 0, cost: null, unpriced: 0 };
  for (const sum of sums) {
    all.calls += sum.calls;
    all.errors += sum.errors;
    all.cancelled += sum.cancelled;
    all.input += sum.input_tokens;
    all.output += sum.output_tokens;
    all.estimated += sum.estimated_calls;
    all.unpriced += sum.unpriced_calls;
    if (sum.cost_usd !== null) all.cost = (all.cost ?? 0) + sum.cost_usd;
  }
  return all;
}

export const SORTS = ["name", "calls", "errors", "input", "output", "cost", "p50", "p95"] as const;

/** Rows as a column's head asks for them: `name`, or `-calls` for the most first. */
export function sorted(sums: readonly Sum[], name: string, sort: string): Sum[] {
  const by = sort.replace(/^-/, "");
  const sign = sort.startsWith("-") ? -1 : 1;
  const value = (sum: Sum): number =>
    ({ calls: sum.calls, errors: sum.errors, input: sum.input_tokens, output: sum.output_tokens, cost: sum.cost_usd ?? -1, p50: sum.latency_ms_p50, p95: sum.latency_ms_p95 })[by] ?? 0;
  const compare = by === "name" ? (one: Sum, other: Sum) => (one.group[name] ?? "").localeCompare(other.group[name] ?? "") : (one: Sum, other: Sum) => value(one) - value(other);
  return [...sums].sort((one, other) => sign * compare(one, other));
}
