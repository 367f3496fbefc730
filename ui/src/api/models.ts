/** The model files of the host, and those that are being fetched. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, part } from "./client";
import { useLiveState } from "./events";
import type { Pull } from "./pulls";

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

export interface Models {
  models: LocalModel[];
  known: KnownModel[];
  pulls: Pull[];
  memory: { total: number; available: number } | null;
}

const PATH = "/api/2.0/models";
const WHILE_PULLING = 2000;

/** How a pull is doing comes as events; only where they do not arrive, the list is asked for again and again. */
export function useModels() {
  const deaf = useLiveState() !== "live";
  return useQuery({
    queryKey: ["models"],
    queryFn: ({ signal }) => api.get<Models>(PATH, {}, signal),
    refetchInterval: (query) => (deaf && query.state.data?.pulls.some((pull) => pull.state === "running") ? WHILE_PULLING : false),
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
