/** Who the token stands for, and what the server says of signing in. */
import { useQuery } from "@tanstack/react-query";
import { api } from "./client";

export interface Me {
  id: string;
  userName: string;
  displayName?: string;
  groups?: { display: string; value?: string }[];
}

export interface SignInOptions {
  oidc: { issuer: string; authorization_endpoint: string; client_id: string; scopes: string } | null;
  version?: string;
  workspace_id?: string;
}

export const ME = "/api/2.0/preview/scim/v2/Me";

export function useMe() {
  return useQuery({ queryKey: ["me"], queryFn: ({ signal }) => api.get<Me>(ME, {}, signal), staleTime: 60_000 });
}

/** Whether the user is known not to be an administrator. */
export function useIsOrdinary(): boolean {
  const me = useMe();
  return me.data !== undefined && !me.data.groups?.some((group) => group.display === "admins");
}

/** Whether the user is in the group that may do everything; false until it is known. */
export function useIsAdmin(): boolean {
  const me = useMe();
  return me.data?.groups?.some((group) => group.display === "admins") ?? false;
}
