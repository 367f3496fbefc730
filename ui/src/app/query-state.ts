/** State that is worth sharing lives in the query string: filters, tabs, the open drawer. */
import { useCallback, useMemo } from "react";
import { useLocation, useSearch } from "wouter";

export interface QueryState {
  get(name: string): string | null;
  /** Replaces the entry in the history; null and "" remove the name. `push`: make a new entry, so that Back undoes it. */
  set(changes: Record<string, string | null>, push?: boolean): void;
}

export function useQueryState(): QueryState {
  const search = useSearch();
  const [path, navigate] = useLocation();
  const params = useMemo(() => new URLSearchParams(search), [search]);
  const set = useCallback(
    (changes: Record<string, string | null>, push = false) => {
      // What is true now, not when this was rendered: two changes in one event must not undo each other.
      const next = new URLSearchParams(window.location.search);
      for (const [name, value] of Object.entries(changes)) {
        if (value) next.set(name, value);
        else next.delete(name);
      }
      const text = next.toString();
      navigate(text ? `${path}?${text}` : path, { replace: !push });
    },
    [path, navigate],
  );
  return useMemo(() => ({ get: (name) => params.get(name), set }), [params, set]);
}
