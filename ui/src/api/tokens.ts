/** Access tokens: one's own, and for administrators everybody's. The value of a new one is told once and kept nowhere. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, part } from "./client";

export interface Token {
  token_id: string;
  comment: string;
  /** Unix milliseconds. */
  creation_time: number;
  /** -1: never. */
  expiry_time: number;
  last_used?: number;
  /** Only where administrators ask for everybody's. */
  created_by_username?: string;
}

export interface CreatedToken {
  token_value: string;
  token_info: Token;
}

export interface NewToken {
  comment: string;
  /** Null: as long as the server's default. */
  lifetimeSeconds: number | null;
  /** The application id of the service principal that it is for; null: oneself. */
  forServicePrincipal: string | null;
}

const MANAGED = "/api/2.0/token-management";

export function useTokens(everybody: boolean) {
  return useQuery({
    queryKey: ["tokens", everybody],
    queryFn: async ({ signal }) => {
      const path = everybody ? `${MANAGED}/tokens` : "/api/2.0/token/list";
      const found = await api.get<{ token_infos: Token[] }>(path, {}, signal);
      return found.token_infos.toSorted((one, other) => other.creation_time - one.creation_time);
    },
  });
}

export function useCreateToken() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ comment, lifetimeSeconds, forServicePrincipal }: NewToken) => {
      const body = { comment, ...(lifetimeSeconds === null ? {} : { lifetime_seconds: lifetimeSeconds }) };
      return forServicePrincipal
        ? api.post<CreatedToken>(`${MANAGED}/on-behalf-of/tokens`, { ...body, application_id: forServicePrincipal })
        : api.post<CreatedToken>("/api/2.0/token/create", body);
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: ["tokens"] }),
  });
}

export function useRevokeToken(everybody: boolean) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      everybody ? api.delete(`${MANAGED}/tokens/${part(id)}`) : api.post("/api/2.0/token/delete", { token_id: id }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["tokens"] }),
  });
}
