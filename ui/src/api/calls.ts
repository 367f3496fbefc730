/** The log of calls: what was asked of models, one row each, the newest first. */
import { useQuery } from "@tanstack/react-query";
import { api, part } from "./client";
import { eventsOf } from "./sse";

export interface Attempt {
  entity: string;
  /** `ok`, or the code of the failure. */
  outcome: string;
  /** Milliseconds after the call came; null where nobody noted it. */
  began_ms: number | null;
  duration_ms: number | null;
}

export interface Call {
  request_id: string;
  client_request_id: string | null;
  endpoint: string;
  endpoint_id: string;
  entity: string | null;
  user: string;
  /** Unix milliseconds. */
  time: number;
  status: number;
  outcome: "ok" | "error" | "cancelled";
  error_code: string | null;
  stream: boolean;
  input_tokens: number;
  output_tokens: number;
  estimated: boolean;
  duration_ms: number;
  first_byte_ms: number | null;
  attempts: Attempt[] | null;
  cost_usd: number | null;
  translation: string | null;
}

export interface CallDetail extends Call {
  payload: { request: string | null; response: string | null; logging_error_codes: string[] } | null;
  payload_table: string | null;
  payload_problem: string | null;
}

export interface CallFilter {
  endpoint: string | null;
  user: string | null;
  status: string | null;
  /** Unix milliseconds. */
  since: number | null;
  until: number | null;
  /** The id of a call, or the one that its client gave it. */
  q: string | null;
}

interface CallsPage {
  calls: Call[];
  next_page_token?: string;
}

export const CALLS_PAGE = 100;
const PATH = "/api/2.0/calls";

const moment = (time: number | null) => (time === null ? null : new Date(time).toISOString());

function asked({ since, until, ...rest }: CallFilter, limit: number, page_token: string | null) {
  return { ...rest, from: moment(since), to: moment(until), limit, page_token };
}

export function useCalls(filter: CallFilter, token: string | null) {
  return useQuery({
    queryKey: ["calls", filter, token],
    queryFn: ({ signal }) => api.get<CallsPage>(PATH, asked(filter, CALLS_PAGE, token), signal),
    // The page before stays until the next one is there.
    placeholderData: (before) => before,
  });
}

export function useCall(id: string | null) {
  return useQuery({
    queryKey: ["calls", "one", id],
    queryFn: ({ signal }) => api.get<CallDetail>(`${PATH}/${part(id ?? "")}`, {}, signal),
    enabled: id !== null,
  });
}

/** All calls that a filter finds, a thousand at a time. */
export async function* everyCall(filter: CallFilter, signal: AbortSignal): AsyncGenerator<Call[]> {
  let token: string | null = null;
  do {
    const page: CallsPage = await api.get<CallsPage>(PATH, asked(filter, 1000, token), signal);
    yield page.calls;
    token = page.next_page_token ?? null;
  } while (token !== null);
}

export type CallNews = { call: Call } | { lost: number | null };

/** Calls as they end, those alone that the filter finds; `lost`: so many came too fast to be told, null if nobody knows how many. */
export async function* callsAsTheyEnd(filter: CallFilter, signal: AbortSignal): AsyncGenerator<CallNews> {
  for await (const { event, data } of eventsOf("GET", "/api/2.0/events", { query: { calls: true, endpoint: filter.endpoint }, signal })) {
    if (event === "lost") yield { lost: (JSON.parse(data) as { calls: number | null }).calls };
    if (event !== "call") continue;
    const call = JSON.parse(data) as Call;
    if (fits(call, filter)) yield { call };
  }
}

/** Whether a filter finds a call, as the server does it. */
export function fits(call: Call, { endpoint, user, status, since, until, q }: CallFilter): boolean {
  if (endpoint !== null && call.endpoint !== endpoint) return false;
  if (user !== null && call.user !== user) return false;
  if (since !== null && call.time < since) return false;
  if (until !== null && call.time >= until) return false;
  if (q !== null && call.request_id !== q && call.client_request_id !== q) return false;
  return status === null || hasStatus(call, status);
}

function hasStatus(call: Call, status: string): boolean {
  if (/^[1-5]xx$/.test(status)) return String(call.status)[0] === status[0];
  return /^\d+$/.test(status) ? call.status === Number(status) : endOf(call) === status;
}

/** How a call ended, as it is counted. */
export function endOf(call: Pick<Call, "status" | "outcome">): Call["outcome"] {
  if (call.outcome === "cancelled") return "cancelled";
  return call.status >= 400 || call.outcome === "error" ? "error" : "ok";
}
