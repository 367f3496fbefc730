/** Calls as they end, collected a few at a time so that a busy server does not redraw the page a thousand times a second. */
import { useEffect, useState } from "react";
import { type Call, type CallFilter, callsAsTheyEnd } from "~/api/calls";

const MOST = 200;
const EVERY_MS = 300;

export interface Followed {
  /** The newest first. */
  calls: readonly Call[];
  /** So many were not told; null: nobody knows how many. */
  lost: number | null;
  error: unknown;
}

const NOTHING: Followed = { calls: [], lost: 0, error: null };

export function useFollow(filter: CallFilter, on: boolean): Followed {
  const [state, setState] = useState(NOTHING);
  const key = JSON.stringify(filter);
  useEffect(() => {
    setState(NOTHING);
    if (!on) return;
    const stop = new AbortController();
    let fresh: Call[] = [];
    let lost: number | null = 0;
    const flush = () => {
      if (!fresh.length && lost === 0) return;
      const [added, missed] = [fresh.reverse(), lost];
      [fresh, lost] = [[], 0];
      setState((before) => ({
        calls: [...added, ...before.calls].slice(0, MOST),
        lost: missed === null || before.lost === null ? null : before.lost + missed,
        error: null,
      }));
    };
    const timer = setInterval(flush, EVERY_MS);
    void (async () => {
      while (!stop.signal.aborted) {
        try {
          for await (const news of callsAsTheyEnd(JSON.parse(key) as CallFilter, stop.signal)) {
            if ("call" in news) fresh.push(news.call);
            else lost = news.lost === null || lost === null ? null : lost + news.lost;
          }
        } catch (error) {
          if (stop.signal.aborted) return;
          setState((before) => ({ ...before, error }));
        }
        await new Promise((resolve) => setTimeout(resolve, 3000));
      }
    })();
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [key, on]);
  return state;
}
