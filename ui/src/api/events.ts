/** What changes on the server arrives here and makes the pages ask again: no page polls or needs a reload. */
import type { QueryClient } from "@tanstack/react-query";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { ApiError } from "./errors";
import { type Pull, pullTold } from "./pulls";
import { session } from "./session";
import { eventsOf } from "./sse";

export type LiveState = "connecting" | "live" | "lost" | "off";

let state: LiveState = "connecting";
const listeners = new Set<() => void>();

function become(next: LiveState): void {
  if (state === next) return;
  state = next;
  for (const each of listeners) each();
}

/** Whether changes arrive at this moment. */
export function useLiveState(): LiveState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}

/** First part of the query keys that an event makes stale. A revision is any change of the control plane. */
const STALE: Record<string, string[]> = {
  revision: ["endpoints", "endpoint", "versions", "permissions", "tokens", "secrets", "people", "budgets", "audit", "models"],
  endpoint: ["endpoints", "endpoint", "versions", "health"],
};

function invalidate(queries: QueryClient, event: string): void {
  for (const first of STALE[event] ?? []) void queries.invalidateQueries({ queryKey: [first] });
}

/** Listens as long as somebody is signed in; after a break it asks for everything again and waits longer each time. */
export function useLiveEvents(): void {
  const queries = useQueryClient();
  useEffect(() => {
    const stop = new AbortController();
    void (async () => {
      let failures = 0;
      while (!stop.signal.aborted && session.token()) {
        try {
          become(failures ? "lost" : "connecting");
          const began = Date.now();
          let first = true;
          for await (const { event, data } of eventsOf("GET", "/api/2.0/events", { signal: stop.signal })) {
            if (first && failures) invalidate(queries, "revision");
            first = false;
            failures = 0;
            become("live");
            invalidate(queries, event);
            if (event === "pull") pullTold(queries, JSON.parse(data) as Pull);
          }
          failures = Date.now() - began > 10_000 ? 1 : failures + 1;
        } catch (thrown) {
          if (stop.signal.aborted) return;
          if (thrown instanceof ApiError && [401, 403, 404].includes(thrown.status)) return become("off");
          failures += 1;
        }
        become("lost");
        await pause(Math.min(30_000, 500 * 2 ** failures) * (0.75 + Math.random() / 2), stop.signal);
      }
    })();
    return () => stop.abort();
  }, [queries]);
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
