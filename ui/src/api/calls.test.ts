// @vitest-environment jsdom
import { expect, test } from "vitest";
import { type Call, fits } from "./calls";

const call = { request_id: "r", client_request_id: "c", endpoint: "demo", user: "admin", time: 1000, status: 200, outcome: "ok" } as Call;
const any = { endpoint: null, user: null, status: null, since: null, until: null, q: null };

test("what is followed is what the server would find", () => {
  expect(fits(call, any)).toBe(true);
  for (const filter of [{ endpoint: "x" }, { user: "x" }, { since: 1001 }, { until: 1000 }, { q: "x" }, { status: "error" }, { status: "4xx" }, { status: "500" }]) expect(fits(call, { ...any, ...filter }), JSON.stringify(filter)).toBe(false);
  for (const filter of [{ endpoint: "demo", user: "admin" }, { since: 1000, until: 1001 }, { q: "r" }, { q: "c" }, { status: "ok" }, { status: "2xx" }, { status: "200" }]) expect(fits(call, { ...any, ...filter }), JSON.stringify(filter)).toBe(true);
});

test("a call that was given up is no error, and one that failed within its answer is", () => {
  const is = (status: number, outcome: Call["outcome"], asked: string) => fits({ ...call, status, outcome }, { ...any, status: asked });
  expect(is(499, "cancelled", "error")).toBe(false);
  expect(is(499, "cancelled", "cancelled")).toBe(true);
  expect(is(200, "error", "error")).toBe(true);
  expect(is(429, "error", "4xx")).toBe(true);
});
