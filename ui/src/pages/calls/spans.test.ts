// @vitest-environment jsdom
import { expect, test } from "vitest";
import type { Call } from "~/api/calls";
import { attemptsOf, spansOf } from "./spans";

const call = (fields: Partial<Call>): Call => ({ entity: "spare", status: 200, outcome: "ok", error_code: null, duration_ms: 200, first_byte_ms: 150, attempts: null, ...fields }) as Call;

test("one attempt has the whole time, and is split where the answer begins", () => {
  const one = call({});
  const [attempt] = attemptsOf(one);
  expect(attempt).toMatchObject({ entity: "spare", outcome: "ok" });
  expect(spansOf(one, attempt!)).toEqual([
    { kind: "wait", from: 0, to: 0.75 },
    { kind: "flow", from: 0.75, to: 1 },
  ]);
});

test("several lie where they were", () => {
  const two = call({
    attempts: [
      { entity: "first", outcome: "DEADLINE_EXCEEDED", began_ms: 10, duration_ms: 90 },
      { entity: "spare", outcome: "ok", began_ms: 100, duration_ms: 100 },
    ],
  });
  expect(attemptsOf(two).map((each) => spansOf(two, each))).toEqual([
    [{ kind: "failed", from: 0.05, to: 0.5 }],
    [
      { kind: "wait", from: 0.5, to: 0.75 },
      { kind: "flow", from: 0.75, to: 1 },
    ],
  ]);
});

test("rows from before the times were noted have none, and nobody asked is no attempt", () => {
  const old = call({ attempts: [{ entity: "first", outcome: "X", began_ms: null, duration_ms: null }] });
  expect(spansOf(old, attemptsOf(old)[0]!)).toEqual([]);
  expect(attemptsOf(call({ entity: null }))).toEqual([]);
});

test("a call that failed names the failure, and has no part that answers", () => {
  const failed = call({ status: 503, outcome: "error", error_code: "TEMPORARILY_UNAVAILABLE", first_byte_ms: null });
  const [attempt] = attemptsOf(failed);
  expect(attempt!.outcome).toBe("TEMPORARILY_UNAVAILABLE");
  expect(spansOf(failed, attempt!)).toEqual([{ kind: "failed", from: 0, to: 1 }]);
});
