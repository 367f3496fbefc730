/** The model files of the host, and those that are being fetched. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, part } from "./client";

export interface LocalModel {
  name: string;
  size: number;
  context_length: number;
  licence: string;
  source: string;
  sha256: string;
  /** Null where no endpoint names it. */
  state: string | null;
  endpoints: string[];
}

export interface KnownModel {
  name: string;
  size: number;
  licence: string;
  present: boolean;
}

export interface Pull {
  id: string;
  spec: string;
  name: string | null;
  state: "running" | "done" | "failed";
  bytes: number;
  /** 0 or null: not known yet. */
  total: number | null;
  error?: string | null;
}

export interface Models {
  models: LocalModel[];
  known: KnownModel[];
  pulls: Pull[];
  memory: { total: number; available: number } | null;
}

const PATH = "/api/2.0/models";
const WHILE_PULLING = 700;

/** While something is being fetched it is looked at often enough for a bar to move. */
export function useModels() {
  return useQuery({
    queryKey: ["models"],
    queryFn: ({ signal }) => api.get<Models>(PATH, {}, signal),
    refetchInterval: (query) => (query.state.data?.pulls.some((pull) => pull.state === "running") ? WHILE_PULLING : false),
  });
}

export function useModelChanges() {
  const queries = useQueryClient();
  const onSuccess = () => queries.invalidateQueries({ queryKey: ["models"] });
  return {
    pull: useMutation({ mutationFn: (body: { spec: string; name?: string }) => api.post<{ id: string }>(`${PATH}/pull`, body), onSuccess }),
    remove: useMutation({ mutationFn: (name: string) => api.delete(`${PATH}/${part(name)}`), onSuccess }),
  };
}
