/** How the server and what it rests on are doing. Administrators are told more. */
import { useQuery } from "@tanstack/react-query";
import { api } from "./client";

export type BreakerState = "CLOSED" | "OPEN" | "HALF_OPEN";

export interface Engine {
  model: string;
  state: string;
  message: string;
  waiting: number;
  active: number;
}

export interface Health {
  status: "ok" | "degraded";
  version: string;
  /** Unix milliseconds. */
  started_at: number;
  workers: number;
  endpoints: { total: number; ready: number; failed: number };
  problems?: string[];
  database?: { kind: "sqlite" | "postgresql"; reachable: boolean; latency_ms: number | null; revision: number; schema: string };
  valkey?: { configured: boolean; reachable: boolean } | null;
  engines?: Engine[];
  breakers?: { endpoint: string; entity: string; state: BreakerState }[];
  usage_rows_waiting?: number;
  payload_rows_waiting?: number;
  log_lines_lost?: number;
  resident_bytes?: number;
}

const EVERY = 5_000;

/** Looked at again and again: no event tells of load. */
export function useHealth() {
  return useQuery({ queryKey: ["health"], refetchInterval: EVERY, queryFn: ({ signal }) => api.get<Health>("/api/2.0/health", {}, signal) });
}
