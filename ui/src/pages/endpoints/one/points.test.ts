import { expect, test } from "vitest";
import type { Sum } from "~/api/usage";
import { filled, HOUR } from "./points";

test("hours without calls are there, with no latency", () => {
  const from = Date.UTC(2026, 0, 1, 22);
  const sums = [{ group: { hour: "2026-01-01T23:00" }, calls: 4, errors: 1, latency_ms_p50: 10, latency_ms_p95: 20 }] as unknown as Sum[];
  const points = filled(sums, "hour", from, 3);
  expect(points.map((point) => point.calls)).toEqual([0, 4, 0]);
  expect(points[1]).toMatchObject({ time: from + HOUR, errors: 1, p50: 10, p95: 20 });
  expect(points[2]?.p95).toBeNull();
});
