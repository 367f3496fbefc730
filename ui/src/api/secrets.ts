/** Secrets in scopes. Values go to the server and never come back to a page. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api } from "./client";

const PATH = "/api/2.0/secrets";

export const SCOPE_LEVELS = ["READ", "WRITE", "MANAGE"] as const;
export type ScopeLevel = (typeof SCOPE_LEVELS)[number];

export interface Secret {
  key: string;
  /** Unix milliseconds. */
  last_updated_timestamp: number;
}

export interface ScopeAcl {
  principal: string;
  permission: ScopeLevel;
}

/** How an endpoint's configuration names a secret. */
export const referenceTo = (scope: string, key: string): string => `{{secrets/${scope}/${key}}}`;

export function useScopes() {
  return useQuery({
    queryKey: ["secrets", "scopes"],
    queryFn: async ({ signal }) =>
      (await api.get<{ scopes?: { name: string }[] }>(`${PATH}/scopes/list`, {}, signal)).scopes?.map((scope) => scope.name) ?? [],
  });
}

export function useSecrets(scope: string | null) {
  return useQuery({
    queryKey: ["secrets", "keys", scope],
    enabled: scope !== null,
    queryFn: async ({ signal }) => (await api.get<{ secrets?: Secret[] }>(`${PATH}/list`, { scope }, signal)).secrets ?? [],
  });
}

export function useScopeAcls(scope: string) {
  return useQuery({
    queryKey: ["secrets", "acls", scope],
    retry: false,
    queryFn: async ({ signal }) => (await api.get<{ items?: ScopeAcl[] }>(`${PATH}/acls/list`, { scope }, signal)).items ?? [],
  });
}

/** `path` below the secrets API: `put`, `delete`, `scopes/create`, `scopes/delete`, `acls/put`, `acls/delete`. */
export function useSecretChange(path: "put" | "delete" | "scopes/create" | "scopes/delete" | "acls/put" | "acls/delete") {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: Record<string, string>) => api.post(`${PATH}/${path}`, body),
    onSuccess: (_, body) => {
      if (path !== "scopes/delete") return queries.invalidateQueries({ queryKey: ["secrets"] });
      // What is in it need not be asked for again: it is gone.
      queries.setQueryData<string[]>(["secrets", "scopes"], (names) => names?.filter((name) => name !== body["scope"]));
      return queries.invalidateQueries({ queryKey: ["secrets", "scopes"] });
    },
  });
}
