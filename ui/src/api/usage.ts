/** Usage: calls, tokens and costs added up, and switching it on. */
import { useQuery } from "@tanstack/react-query";
import { api, part, send, type Query } from "./client";

export interface Sum {
  group: Record<string, string | null>;
  calls: number;
  errors: number;
  cancelled: number;
  input_tokens: number;
  output_tokens: number;
  estimated_calls: number;
  latency_ms_p50: number;
  latency_ms_p95: number;
  latency_ms_p99: number;
  /** Of the calls whose price is known; null: of none. */
  cost_usd: number | null;
  unpriced_calls: number;
}

export interface UsageFilter {
  groupBy: readonly string[];
  /** Unix milliseconds. */
  since: number | null;
  until: number | null;
  endpoint: string | null;
}

const PATH = "/api/2.0/usage";
const MOST = 10_000;

function asked({ groupBy, since, until, endpoint }: UsageFilter): Query {
  const moment = (time: number | null) => (time === null ? null : new Date(time).toISOString());
  return { group_by: groupBy.join(","), from: moment(since), to: moment(until), endpoint, limit: MOST };
}

export function useUsage(filter: UsageFilter, enabled = true) {
  return useQuery({
    queryKey: ["usage", filter],
    queryFn: ({ signal }) => api.get<{ usage: Sum[]; next_page_token?: string }>(PATH, asked(filter), signal),
    placeholderData: (before) => before,
    enabled,
  });
}

/** The same as the server writes CSV. */
export async function usageCsv(filter: UsageFilter): Promise<string> {
  return (await send("GET", PATH, { query: { ...asked(filter), format: "csv" } })).text();
}

/** Counts the calls of an endpoint from now on; its other gateway rules stay. */
export async function trackUsage(endpoint: string): Promise<void> {
  const path = `/api/2.0/serving-endpoints/${part(endpoint)}`;
  const { ai_gateway: rules = {} } = await api.get<{ ai_gateway?: Record<string, unknown> }>(path);
  await api.put(`${path}/ai-gateway`, { ...rules, usage_tracking_config: { enabled: true } });
}
