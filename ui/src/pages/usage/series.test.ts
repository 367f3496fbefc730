import { expect, test } from "vitest";
import type { Sum } from "~/api/usage";
import { stackOf } from "~/components/stack";
import { drawn, largest, sorted, stepFor, totalsOf } from "./series";

const sum = (group: Sum["group"], calls: number, more: Partial<Sum> = {}): Sum => ({
  group, calls, errors: 0, cancelled: 0, input_tokens: calls * 10, output_tokens: calls, estimated_calls: 0, latency_ms_p50: 1, latency_ms_p95: 2, latency_ms_p99: 3, cost_usd: null, unpriced_calls: calls, ...more,
});
const DAYS = [
  sum({ day: "2026-01-01", endpoint: "a" }, 5),
  sum({ day: "2026-01-01", endpoint: "b" }, 1, { cost_usd: 0.5, unpriced_calls: 0 }),
  sum({ day: "2026-01-03", endpoint: "b" }, 9),
  sum({ day: "2026-01-03", endpoint: null }, 2),
];

test("days without calls are there as nothing", () => {
  const { times, series } = drawn(DAYS, "day", null, "calls");
  expect(times.map((time) => new Date(time).toISOString().slice(0, 10))).toEqual(["2026-01-01", "2026-01-02", "2026-01-03"]);
  expect(series).toEqual([{ group: null, others: false, values: [6, 0, 11] }]);
});

test("the largest groups have their own series, the rest is added up", () => {
  expect(largest(DAYS, "endpoint", "calls", 2)).toEqual(["b", "a"]);
  const { series } = drawn(DAYS, "day", "endpoint", "calls", 2);
  expect(series).toEqual([
    { group: "b", others: false, values: [1, 0, 9] },
    { group: "a", others: false, values: [5, 0, 0] },
    { group: null, others: true, values: [0, 0, 2] },
  ]);
});

test("hours and minutes are UTC", () => {
  const { times } = drawn([sum({ hour: "2026-01-01T09:00" }, 1)], "hour", null, "tokens");
  expect(times).toEqual([Date.UTC(2026, 0, 1, 9)]);
  expect(drawn([], "day", null, "calls").times).toEqual([]);
});

test("a long period is drawn in days, a short one in minutes", () => {
  const now = Date.UTC(2026, 0, 31);
  expect([3_600_000, 86_400_000, 30 * 86_400_000].map((length) => stepFor(now - length, now))).toEqual(["minute", "hour", "day"]);
  expect(stepFor(null, now)).toBe("day");
});

test("a cost that nobody knows is not a cost of nothing", () => {
  expect(totalsOf(DAYS)).toMatchObject({ calls: 17, cost: 0.5, unpriced: 16, input: 170 });
  expect(totalsOf([sum({}, 1)]).cost).toBeNull();
});

test("a stack's parts end where the next begins", () => {
  expect(stackOf([[1, null], [2, 3], [4, 5]])).toEqual([[7, 8], [6, 8], [4, 5]]);
});

test("rows are sorted as asked", () => {
  expect(sorted(DAYS, "endpoint", "-calls").map((each) => each.calls)).toEqual([9, 5, 2, 1]);
  expect(sorted(DAYS, "endpoint", "name").map((each) => each.group["endpoint"])).toEqual([null, "a", "b", "b"]);
});
