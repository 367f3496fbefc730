// @vitest-environment jsdom
import { act, createElement } from "react";
import { createRoot } from "react-dom/client";
import { expect, test } from "vitest";
import { type Draft, useDraft } from "./use-draft";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

type Rules = Record<string, unknown>;

/** Shows a draft; returns it as it is now, and how to take it away. */
function shown(first: Rules, name?: string) {
  let now: Draft<Rules> | undefined;
  const Probe = () => {
    now = useDraft<Rules>(first, name);
    return null;
  };
  const root = createRoot(document.createElement("div"));
  act(() => root.render(createElement(Probe)));
  return { draft: () => now as Draft<Rules>, gone: () => act(() => root.unmount()) };
}

test("text that cannot be read leaves the value as it was", () => {
  const { draft, gone } = shown({ a: 1 });
  act(() => draft().setText('{"a": 2'));
  expect(draft()).toMatchObject({ value: { a: 1 }, changed: true });
  expect(draft().broken).not.toBeNull();
  act(() => draft().setText('{"a": 2}'));
  expect(draft()).toMatchObject({ value: { a: 2 }, broken: null, changed: true });
  act(() => draft().setValue({ a: 1 }));
  expect(draft().changed).toBe(false);
  gone();
});

test("a named draft is there again, unless what it began from has changed", () => {
  const first = shown({ a: 1 }, "x");
  act(() => first.draft().setValue({ a: 2 }));
  first.gone();
  const second = shown({ a: 1 }, "x");
  expect(second.draft().value).toEqual({ a: 2 });
  second.gone();
  const third = shown({ a: 5 }, "x");
  expect(third.draft().value).toEqual({ a: 5 });
  third.gone();
});
