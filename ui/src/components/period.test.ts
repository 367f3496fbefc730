// @vitest-environment jsdom
import { expect, test } from "vitest";
import { periodOf } from "./Period";

const NOW = Date.UTC(2026, 0, 31);

test("a period is the last so many hours, everything, or what the address says", () => {
  expect(periodOf("hour", null, null, "all", NOW)).toEqual({ id: "hour", since: NOW - 3_600_000, until: null });
  expect(periodOf(null, null, null, "all", NOW)).toEqual({ id: "all", since: null, until: null });
  expect(periodOf("nonsense", null, null, "day", NOW).id).toBe("day");
  expect(periodOf("hour", "2026-01-02T10:00", null, "all", NOW)).toEqual({ id: "custom", since: new Date(2026, 0, 2, 10).getTime(), until: null });
  expect(periodOf("custom", "nonsense", null, "all", NOW)).toEqual({ id: "custom", since: null, until: null });
});
