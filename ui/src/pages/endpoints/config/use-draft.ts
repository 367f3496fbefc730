/**
 * Something that is edited as a form and as JSON at once. The value is the truth; the text is kept while it is typed, and
 * becomes the value as soon as it can be read.
 */
import { useState } from "react";

export interface Draft<T> {
  value: T;
  text: string;
  /** Null: the text is JSON. */
  broken: string | null;
  setValue(value: T): void;
  setText(text: string): void;
}

export function useDraft<T>(first: T): Draft<T> {
  const [value, setValue] = useState(first);
  const [text, setText] = useState(() => JSON.stringify(first, null, 2));
  const [broken, setBroken] = useState<string | null>(null);
  return {
    value,
    text,
    broken,
    setValue(next) {
      setValue(next);
      setText(JSON.stringify(next, null, 2));
      setBroken(null);
    },
    setText(next) {
      setText(next);
      try {
        const read: unknown = JSON.parse(next);
        if (typeof read !== "object" || read === null || Array.isArray(read)) throw new SyntaxError("{…}");
        setValue(read as T);
        setBroken(null);
      } catch (thrown) {
        setBroken(thrown instanceof Error ? thrown.message : String(thrown));
      }
    },
  };
}
