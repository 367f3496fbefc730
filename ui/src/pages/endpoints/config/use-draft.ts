/**
 * Something that is edited as a form and as JSON at once. The value is the truth; the text is kept while it is typed, and
 * becomes the value as soon as it can be read.
 */
import { useEffect, useState } from "react";
import { session } from "~/api/session";

export interface Draft<T> {
  value: T;
  text: string;
  /** Null: the text is JSON. */
  broken: string | null;
  /** Whether it is no longer what it was at first. */
  changed: boolean;
  /** What was typed before has been found again. */
  isBack: boolean;
  setValue(value: T): void;
  setText(text: string): void;
  /** Back to what it was at first; what was typed is forgotten at once, whatever page comes next. */
  discard(): void;
}

/** Drafts that outlive what shows them, by name, each with what it began from. Nothing secret. */
const kept = new Map<string, { from: string; text: string }>();
session.subscribe(() => kept.clear());

const CREDENTIAL = /("\w+_plaintext"\s*:\s*)"(?:[^"\\]|\\.)*"?/g;

/** `name`: keep what is typed, but for credentials, while something else is looked at. */
export function useDraft<T>(first: T, name?: string): Draft<T> {
  const from = JSON.stringify(first, null, 2);
  const [found] = useState(() => {
    const before = name === undefined ? undefined : kept.get(name);
    return before?.from === from ? before.text : null;
  });
  const [draft, setDraft] = useState(() => read(found ?? from, first));
  const [isBack, setBack] = useState(found !== null);
  const changed = draft.broken !== null || JSON.stringify(draft.value, null, 2) !== from;
  useEffect(() => {
    if (name === undefined) return;
    if (changed) kept.set(name, { from, text: draft.text.replace(CREDENTIAL, '$1""') });
    else kept.delete(name);
  }, [name, changed, from, draft.text]);
  useWarning(changed);
  return {
    ...draft,
    changed,
    isBack: isBack && changed,
    setValue: (value) => setDraft({ value, text: JSON.stringify(value, null, 2), broken: null }),
    setText: (text) => setDraft((before) => read(text, before.value)),
    discard: () => {
      if (name !== undefined) kept.delete(name);
      setBack(false);
      setDraft(read(from, first));
    },
  };
}

function read<T>(text: string, otherwise: T): { value: T; text: string; broken: string | null } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new SyntaxError("{…}");
    return { value: value as T, text, broken: null };
  } catch (thrown) {
    return { value: otherwise, text, broken: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

/** The browser asks before it leaves the page with what was not saved. */
function useWarning(changed: boolean): void {
  useEffect(() => {
    if (!changed) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [changed]);
}
