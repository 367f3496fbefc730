/** Endpoints to choose from, in short: what the caller may see, by name. */
import { useQuery } from "@tanstack/react-query";
import { api } from "./client";

export type Task = "llm/v1/chat" | "llm/v1/completions" | "llm/v1/embeddings";

export interface EndpointChoice {
  name: string;
  task?: string;
  creator?: string;
  ai_gateway?: { usage_tracking_config?: { enabled?: boolean } };
}

/** A task as calls know it; what says none, or one that is not known here, chats. */
export function taskOf(endpoint: { task?: string } | undefined): Task {
  const task = endpoint?.task;
  return task === "llm/v1/completions" || task === "llm/v1/embeddings" ? task : "llm/v1/chat";
}

export function useEndpointChoices() {
  return useQuery({
    queryKey: ["endpoints", "choices"],
    queryFn: ({ signal }) => api.get<{ endpoints?: EndpointChoice[] }>("/api/2.0/serving-endpoints", {}, signal),
    staleTime: 30_000,
  });
}
