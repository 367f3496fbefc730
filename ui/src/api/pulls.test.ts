import { QueryClient } from "@tanstack/react-query";
import { expect, test } from "vitest";
import { type Pull, pullTold, timeLeft, withPull } from "./pulls";

const pull = (fields: Partial<Pull> = {}): Pull => ({ id: "a", spec: "tiny", name: "tiny", state: "running", phase: "fetching", bytes: 0, total: 100, ...fields });

test("an event replaces what was known of its pull, and one that is new comes first", () => {
  const other = pull({ id: "b" });
  expect(withPull([other, pull()], pull({ bytes: 50 }))).toEqual([other, pull({ bytes: 50 })]);
  expect(withPull([other], pull())).toEqual([pull(), other]);
});

test("a running pull moves without asking the server; one that is over makes the list stale", () => {
  const queries = new QueryClient();
  queries.setQueryData(["models"], { pulls: [pull()] });
  pullTold(queries, pull({ bytes: 40 }));
  expect(queries.getQueryData(["models"])).toEqual({ pulls: [pull({ bytes: 40 })] });
  expect(queries.getQueryState(["models"])?.isInvalidated).toBe(false);
  pullTold(queries, pull({ state: "done" }));
  expect(queries.getQueryState(["models"])?.isInvalidated).toBe(true);
});

test("what is left is told by the pace, once there is one", () => {
  const first = { at: 0, bytes: 10 };
  expect(timeLeft(pull({ bytes: 60 }), first, 5000)).toBe(4000);
  expect(timeLeft(pull({ bytes: 60 }), first, 500)).toBeNull();
  expect(timeLeft(pull({ bytes: 10 }), first, 5000)).toBeNull();
  expect(timeLeft(pull({ bytes: 60, total: null }), first, 5000)).toBeNull();
});
