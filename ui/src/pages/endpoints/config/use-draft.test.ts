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
  expect(first.draft().isBack).toBe(false);
  act(() => first.draft().setValue({ a: 2 }));
  expect(first.draft().isBack).toBe(false);
  first.gone();
  const second = shown({ a: 1 }, "x");
  expect(second.draft()).toMatchObject({ value: { a: 2 }, isBack: true });
  second.gone();
  const third = shown({ a: 5 }, "x");
  expect(third.draft().value).toEqual({ a: 5 });
  third.gone();
});

test("a draft that is discarded is forgotten, also if nothing is drawn any more", () => {
  const first = shown({ a: 1 }, "y");
  act(() => first.draft().setValue({ a: 2 }));
  act(() => first.draft().discard());
  expect(first.draft()).toMatchObject({ value: { a: 1 }, changed: false });
  first.gone();
  const second = shown({ a: 1 }, "y");
  expect(second.draft()).toMatchObject({ value: { a: 1 }, isBack: false });
  second.gone();
});

test("a credential that was typed is not kept, in a form or in a text that is not JSON yet", () => {
  const first = shown({}, "z");
  act(() => first.draft().setValue({ openai_api_key_plaintext: 'sk-"1\\', openai_api_base: "b" }));
  first.gone();
  const second = shown({}, "z");
  expect(second.draft().value).toEqual({ openai_api_key_plaintext: "", openai_api_base: "b" });
  act(() => second.draft().setText('{"openai_api_key_plaintext": "sk-2'));
  second.gone();
  const third = shown({}, "z");
  expect(third.draft().text).toBe('{"openai_api_key_plaintext": ""');
  third.gone();
});
