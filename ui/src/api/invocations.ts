/** Calls to models as the wire has them: where they go, what their answers' heads tell, what a provider would be sent. */
import { api, part } from "./client";

/** A body as the wire has it. */
export type Body = Record<string, unknown>;

export const invocationsPath = (endpoint: string): string => `/serving-endpoints/${part(endpoint)}/invocations`;

/** What the head of an answer tells of the call. */
export const HEADERS_OF_INTEREST = ["served-model-name", "cloche-translation", "cloche-attempts", "cloche-cache", "cloche-overhead-ms", "x-request-id"] as const;

export function headersOfInterest(headers: Headers): [string, string][] {
  return HEADERS_OF_INTEREST.flatMap((name): [string, string][] => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value]];
  });
}

export interface UpstreamRequest {
  entity: string;
  provider: string;
  method: string;
  url: string;
  headers: Record<string, string>;
  body: unknown;
  translation?: string | null;
}

/** What would be sent to the provider for a body; nothing is sent. */
export function upstreamRequest(endpoint: string, body: Body, entity?: string): Promise<UpstreamRequest> {
  return api.post<UpstreamRequest>(`/api/2.0/serving-endpoints/${part(endpoint)}/upstream-request`, { body, ...(entity ? { entity } : {}) });
}

/** `passed=messages; dropped=seed,n` by word, in the order of the header. */
export function translationOf(header: string): { word: string; fields: string[] }[] {
  return header.split(";").flatMap((piece) => {
    const [word = "", fields = ""] = piece.split("=").map((each) => each.trim());
    return word ? [{ word, fields: fields.split(",").map((each) => each.trim()).filter(Boolean) }] : [];
  });
}
