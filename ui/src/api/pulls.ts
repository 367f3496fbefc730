/** Models that are being fetched: as the list of models has them, and as an event tells how one of them is doing. */
import type { QueryClient } from "@tanstack/react-query";

export interface Pull {
  id: string;
  spec: string;
  name: string | null;
  state: "running" | "done" | "failed";
  /** What it is doing, in the server's words. */
  phase: string;
  bytes: number;
  /** 0 or null: not known yet. */
  total: number | null;
  error?: string | null;
}

/** What an event tells goes into the list that is shown; once it is over, what has come of it is asked for. */
export function pullTold(queries: QueryClient, pull: Pull): void {
  queries.setQueryData<{ pulls: Pull[] }>(["models"], (known) => known && { ...known, pulls: withPull(known.pulls, pull) });
  if (pull.state !== "running") void queries.invalidateQueries({ queryKey: ["models"] });
}

/** One that is new comes first, as the server lists them. */
export function withPull(pulls: readonly Pull[], pull: Pull): Pull[] {
  return pulls.some((each) => each.id === pull.id) ? pulls.map((each) => (each.id === pull.id ? pull : each)) : [pull, ...pulls];
}

interface Seen {
  at: number;
  bytes: number;
}

/** Milliseconds until the rest is here, at the pace since it was first seen; null while that is a guess. */
export function timeLeft(pull: Pull, first: Seen, now: number): number | null {
  const [took, came] = [now - first.at, pull.bytes - first.bytes];
  return pull.total && took >= 2000 && came > 0 ? ((pull.total - pull.bytes) * took) / came : null;
}
