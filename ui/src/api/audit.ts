/** The audit log: who did what to what, the newest first. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api } from "./client";

export interface AuditEntry {
  /** Unix milliseconds. */
  timestamp: number;
  user: string;
  user_id: string;
  address: string;
  request_id: string;
  action: string;
  target: string;
  before: unknown;
  after: unknown;
}

export interface AuditFilter {
  user: string | null;
  action: string | null;
  target: string | null;
  since: number | null;
}

export const AUDIT_PAGE = 50;

export function useAudit(filter: AuditFilter, pageToken: string | null) {
  return useQuery({
    queryKey: ["audit", filter, pageToken],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      api.get<{ entries: AuditEntry[]; next_page_token?: string }>(
        "/api/2.0/cloche/audit",
        { ...filter, limit: AUDIT_PAGE, page_token: pageToken },
        signal,
      ),
  });
}
