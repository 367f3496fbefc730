/** Walking through pages that the server cuts by tokens: it knows the next page, and we remember those before. */
import { useState } from "react";

export interface Paging {
  token: string | null;
  /** Rows before this page. */
  offset: number;
  next(token: string, shown: number): void;
  /** Undefined on the first page. */
  previous: (() => void) | undefined;
}

/** `key`: what the list is of; when it changes the walk begins again. */
export function usePages(key: string): Paging {
  const [walk, setWalk] = useState<{ key: string; steps: { token: string; offset: number }[] }>({ key, steps: [] });
  // Also when it comes back to what it was before: the place in that list is forgotten.
  if (walk.key !== key) setWalk({ key, steps: [] });
  const steps = walk.key === key ? walk.steps : [];
  const here = steps.at(-1);
  return {
    token: here?.token ?? null,
    offset: here?.offset ?? 0,
    next: (token, shown) => setWalk({ key, steps: [...steps, { token, offset: (here?.offset ?? 0) + shown }] }),
    previous: steps.length ? () => setWalk({ key, steps: steps.slice(0, -1) }) : undefined,
  };
}
