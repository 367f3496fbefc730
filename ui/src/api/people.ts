/** Users, groups and service principals, by SCIM. */
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, part } from "./client";

const ROOT = "/api/2.0/preview/scim/v2";
export const PAGE_SIZE = 50;

export type Kind = "Users" | "Groups" | "ServicePrincipals";

export interface Member {
  value: string;
  display?: string;
  $ref?: string;
}

export interface Resource {
  id: string;
  displayName?: string;
  active?: boolean;
  /** Of users. */
  userName?: string;
  emails?: { value: string }[];
  /** Of service principals. */
  applicationId?: string;
  /** Of groups. */
  members?: Member[];
  groups?: { display: string; value: string }[];
  entitlements?: { value: string }[];
}

export interface Found {
  Resources?: Resource[];
  totalResults: number;
}

/** How endpoints' permissions, limits and the log call it. */
export const nameOf = (kind: Kind, resource: Resource): string =>
  (kind === "Users" ? resource.userName : kind === "ServicePrincipals" ? resource.applicationId : resource.displayName) ?? resource.id;

const FILTERED: Record<Kind, string> = { Users: "userName", Groups: "displayName", ServicePrincipals: "displayName" };

/** `contains`: part of the name. `page`: from 0. */
export function usePeople(kind: Kind, contains: string, page: number, size = PAGE_SIZE) {
  return useQuery({
    queryKey: ["people", kind, contains, page, size],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      api.get<Found>(
        `${ROOT}/${kind}`,
        { startIndex: page * size + 1, count: size, filter: contains ? `${FILTERED[kind]} co ${JSON.stringify(contains)}` : null },
        signal,
      ),
  });
}

export function useResource(kind: Kind, id: string | null) {
  return useQuery({
    queryKey: ["people", kind, "one", id],
    enabled: id !== null,
    queryFn: ({ signal }) => api.get<Resource>(`${ROOT}/${kind}/${part(id ?? "")}`, {}, signal),
  });
}

export interface Operation {
  op: "add" | "remove" | "replace";
  path: string;
  value?: unknown;
}

export function usePeopleChanges(kind: Kind) {
  const queries = useQueryClient();
  const onSuccess = () => queries.invalidateQueries({ queryKey: ["people"] });
  return {
    create: useMutation({ mutationFn: (body: object) => api.post<Resource>(`${ROOT}/${kind}`, body), onSuccess }),
    patch: useMutation({
      mutationFn: ({ id, operations }: { id: string; operations: Operation[] }) =>
        api.patch<Resource>(`${ROOT}/${kind}/${part(id)}`, { Operations: operations }),
      onSuccess,
    }),
    remove: useMutation({ mutationFn: (id: string) => api.delete(`${ROOT}/${kind}/${part(id)}`), onSuccess }),
  };
}
