/** The server's check of a draft, and what is done with it then: one at a time, each with its outcome or its error. */
import { useState } from "react";
import type { Endpoint } from "~/api/endpoints";

export interface Check {
  /** What the server says it would be; null: not checked since the last change. */
  tried: Endpoint | null;
  error: unknown;
  busy: "check" | "keep" | null;
  check(ask: () => Promise<Endpoint>): void;
  /** Saves or creates. */
  keep(work: () => Promise<void>): void;
}

/** `text`: of the draft; a check is good for that text alone. */
export function useCheck(text: string): Check {
  const [checked, setChecked] = useState<{ text: string; tried: Endpoint } | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState<Check["busy"]>(null);
  const run = async (what: "check" | "keep", work: () => Promise<void>) => {
    setBusy(what);
    setError(null);
    try {
      await work();
    } catch (thrown) {
      setChecked(null);
      setError(thrown);
    }
    setBusy(null);
  };
  return {
    tried: checked?.text === text ? checked.tried : null,
    error,
    busy,
    check: (ask) => void run("check", async () => setChecked({ text, tried: await ask() })),
    keep: (work) => void run("keep", work),
  };
}
