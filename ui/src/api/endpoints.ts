/** Serving endpoints: their shapes on the wire, and what is asked and changed about them. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useCallback } from "react";
import { useT } from "~/i18n";
import { api, part, type Query } from "./client";

export type Ready = "READY" | "NOT_READY";
export type Updating = "NOT_UPDATING" | "IN_PROGRESS" | "UPDATE_FAILED" | "UPDATE_CANCELED";
export type Level = "CAN_VIEW" | "CAN_QUERY" | "CAN_MANAGE";

export interface EndpointState {
  ready: Ready;
  config_update: Updating;
  circuit_breakers?: Record<string, string>;
}

export interface Tag {
  key: string;
  value?: string;
}

export interface Tick {
  calls: number;
  errors: number;
}

export interface EndpointSummary {
  name: string;
  id: string;
  state: EndpointState;
  task: string;
  creator: string;
  tags: Tag[];
  models: { entity: string; model: string; provider: string; traffic: number }[];
  last_updated_timestamp: number;
  permission_level: Level;
  calls_last_hour: number;
  errors_last_hour: number;
  sparkline: Tick[];
}

export interface Summaries {
  endpoints: EndpointSummary[];
  total: number;
  next_page_token?: string;
}

export interface ExternalModel {
  name: string;
  provider: string;
  task: string;
  [group: string]: unknown;
}

/** A served entity as it is asked for; what the form does not know stays. */
export interface EntityBody {
  name?: string;
  external_model?: ExternalModel;
  entity_name?: string;
  entity_version?: string;
  [other: string]: unknown;
}

export interface RouteBody {
  served_entity_name: string;
  traffic_percentage: number;
}

export interface ConfigBody {
  served_entities: EntityBody[];
  traffic_config?: { routes: RouteBody[] };
  [other: string]: unknown;
}

export interface EntityState {
  deployment: string;
  deployment_state_message: string;
}

export interface ServedEntity extends EntityBody {
  name: string;
  state?: EntityState;
  creator?: string;
  creation_timestamp?: number;
  foundation_model?: { name: string };
}

export interface EndpointConfig {
  served_entities: ServedEntity[];
  traffic_config?: { routes: RouteBody[] };
  config_version: number;
  strict_params?: boolean;
  start_time?: number;
}

export interface Endpoint {
  id: string;
  name: string;
  description?: string;
  creator: string;
  creation_timestamp: number;
  last_updated_timestamp: number;
  state: EndpointState;
  task: string;
  endpoint_type: string;
  tags: Tag[];
  config?: EndpointConfig;
  pending_config?: EndpointConfig;
  permission_level: Level;
  ai_gateway?: AiGateway;
  probes?: Probe[];
}

/** The gateway rules; only what the form shows is typed. */
export interface AiGateway {
  usage_tracking_config?: { enabled?: boolean };
  inference_table_config?: { enabled?: boolean; catalog_name?: string; schema_name?: string; table_name_prefix?: string };
  rate_limits?: RateLimit[];
  guardrails?: { input?: Guards; output?: Guards; judge?: Record<string, unknown> };
  fallback_config?: { enabled: boolean };
  [other: string]: unknown;
}

export interface RateLimit {
  renewal_period: "minute";
  calls?: number;
  tokens?: number;
  key?: "user" | "endpoint" | "user_group" | "service_principal";
  principal?: string;
}

export interface Guards {
  pii?: { behavior?: "NONE" | "BLOCK" | "MASK"; judged?: boolean };
  safety?: boolean;
  prompt_injection?: boolean;
  invalid_keywords?: string[];
  valid_topics?: string[];
}

export interface Probe {
  entity: string;
  ok: boolean;
  message: string;
  duration_ms: number;
  advice?: string;
}

export interface Version {
  version: number;
  state: string;
  created_at: number;
  created_by: string;
  config: ConfigBody;
}

export interface Change {
  path: string;
  before?: unknown;
  after?: unknown;
}

export interface Minute {
  time: number;
  calls: number;
  client_errors: number;
  server_errors: number;
  latency_ms_p50: number | null;
  latency_ms_p95: number | null;
}

export interface ProviderField {
  name: string;
  label: string;
  secret: boolean;
  required: boolean;
  help: string;
  choices?: string[];
  required_for?: string[];
  refused?: boolean;
}

export interface Provider {
  name: string;
  title: string;
  group: string;
  tasks: string[];
  page: string;
  fields: ProviderField[];
  deprecated_reason?: string;
}

const BASE = "/api/2.0/serving-endpoints";
export const endpointPath = (name: string, rest = "") => `${BASE}/${part(name)}${rest}`;

export function useSummaries(asked: Query) {
  return useQuery({
    queryKey: ["endpoints", "summaries", asked],
    queryFn: ({ signal }) => api.get<Summaries>("/api/2.0/endpoint-summaries", asked, signal),
    placeholderData: keepPreviousData,
    refetchInterval: 20_000,
  });
}

/** The names of all that may be seen: the list that the OpenAI client reads, as small as it can be. */
export function useEndpointNames(enabled = true) {
  return useQuery({
    queryKey: ["endpoints", "names"],
    queryFn: async ({ signal }) => (await api.get<{ data: { id: string }[] }>("/serving-endpoints/models", {}, signal)).data.map((each) => each.id),
    enabled,
    staleTime: 30_000,
  });
}

export function useEndpoint(name: string) {
  return useQuery({
    queryKey: ["endpoint", name],
    queryFn: ({ signal }) => api.get<Endpoint>(endpointPath(name), {}, signal),
    // Without live events a configuration that is being made ready would look so for ever.
    refetchInterval: ({ state }) => (state.data?.state.config_update === "IN_PROGRESS" ? 3000 : 30_000),
  });
}

export function useVersions(name: string) {
  return useQuery({
    queryKey: ["versions", name],
    queryFn: ({ signal }) => api.get<{ versions: Version[] }>(endpointPath(name, "/versions"), {}, signal),
  });
}

export function useSeries(name: string) {
  return useQuery({
    queryKey: ["series", name],
    queryFn: ({ signal }) => api.get<{ minutes: Minute[] }>(endpointPath(name, "/series"), { minutes: 60 }, signal),
    refetchInterval: 15_000,
  });
}

/** In the words of the reader's language. */
export function useProviders() {
  const t = useT("providers");
  return useQuery({
    queryKey: ["providers"],
    queryFn: async ({ signal }) => (await api.get<{ providers: Provider[] }>("/api/2.0/providers", {}, signal)).providers,
    staleTime: Infinity,
    select: useCallback(
      (told: Provider[]) =>
        told.map((provider) => ({
          ...provider,
          title: t.title(provider.name, provider.title),
          deprecated_reason: provider.deprecated_reason && t.deprecated(provider.name, provider.deprecated_reason),
          fields: provider.fields.map((field) => ({ ...field, label: t.label(field.name, field.label), help: t.help(field.name, field.help) })),
        })),
      [t],
    ),
  });
}

/** What would be, and whether the models answer; nothing is changed. */
export const tryCreate = (body: unknown) => api.post<Endpoint>(BASE, body, { query: { dry_run: true, probe: true } });
export const createEndpoint = (body: unknown) => api.post<Endpoint>(BASE, body);
export const tryConfig = (name: string, config: ConfigBody) => api.put<Endpoint>(endpointPath(name, "/config"), config, { query: { dry_run: true, probe: true } });
export const putConfig = (name: string, config: ConfigBody) => api.put<Endpoint>(endpointPath(name, "/config"), config);
export const putGateway = (name: string, rules: AiGateway) => api.put<AiGateway>(endpointPath(name, "/ai-gateway"), rules);
export const rollBack = (name: string, version: number) => api.post<Endpoint>(endpointPath(name, "/rollback"), { version });
export const deleteEndpoint = (name: string) => api.delete<unknown>(endpointPath(name));
export const patchTags = (name: string, add: Tag[], remove: string[]) => api.patch<unknown>(endpointPath(name, "/tags"), { add_tags: add, delete_tags: remove });
export const probeEndpoint = (name: string) => api.post<{ probes: Probe[] }>(endpointPath(name, "/probe"), {});

/** A configuration as it would be asked for: without what the server adds to it. */
export function bodyOf(config: EndpointConfig): ConfigBody {
  const added = new Set(["state", "creator", "creation_timestamp", "foundation_model", "scale_to_zero_enabled"]);
  const entities = config.served_entities.map((entity) => Object.fromEntries(Object.entries(entity).filter(([name]) => !added.has(name))) as EntityBody);
  const routes = config.traffic_config?.routes.map(({ served_entity_name, traffic_percentage }) => ({ served_entity_name, traffic_percentage }));
  return { served_entities: entities, ...(routes && { traffic_config: { routes } }), ...(config.strict_params && { strict_params: true }) };
}

/** What a served entity is, in the words of a list. */
export function modelOf(entity: EntityBody): { model: string; provider: string } {
  if (entity.external_model) return { model: entity.external_model.name, provider: entity.external_model.provider };
  return { model: entity.entity_name ?? "", provider: "local" };
}
