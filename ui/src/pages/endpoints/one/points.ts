/** Sums of the usage table as points in time, with nothing where there were no calls. */
import type { Sum } from "~/api/usage";

export const HOUR = 3_600_000;

export interface Point {
  /** Unix milliseconds. */
  time: number;
  calls: number;
  /** Null where they are not told apart from other errors. */
  clientErrors: number | null;
  errors: number;
  p50: number | null;
  p95: number | null;
}

/** `count` hours or days from `from` on, which is the beginning of one; times of the table are UTC. */
export function filled(sums: readonly Sum[], step: "hour" | "day", from: number, count: number): Point[] {
  const length = step === "hour" ? HOUR : 24 * HOUR;
  const digits = step === "hour" ? 13 : 10;
  const found = new Map(sums.map((sum) => [sum.group[step]?.slice(0, digits), sum]));
  return Array.from({ length: count }, (_, index) => {
    const time = from + index * length;
    const sum = found.get(new Date(time).toISOString().slice(0, digits));
    return { time, calls: sum?.calls ?? 0, clientErrors: null, errors: sum?.errors ?? 0, p50: sum?.latency_ms_p50 ?? null, p95: sum?.latency_ms_p95 ?? null };
  });
}
