/** The gateway rules that are switched on and have a few figures: what the form shows of each. */
export interface RuleField {
  name: string;
  kind: "number" | "flag" | "choice";
  choices?: readonly string[];
  fallback: number | boolean | string;
}

export interface RuleSection {
  id: "retry_config" | "timeout_config" | "circuit_breaker_config" | "concurrency_config" | "hedging_config" | "cache_config" | "coalescing_config" | "routing_config";
  /** Whether it is on says a field `enabled`; else that it is there. */
  enabled: boolean;
  fields: readonly RuleField[];
  /** What it is switched on with. */
  start: Record<string, unknown>;
}

const number = (name: string, fallback: number | string = ""): RuleField => ({ name, kind: "number", fallback });

export const SECTIONS: readonly RuleSection[] = [
  { id: "retry_config", enabled: false, start: { max_retries: 2 }, fields: [number("max_retries", 2), number("backoff_seconds", 0.5)] },
  { id: "timeout_config", enabled: false, start: { total_seconds: 120 }, fields: [number("connect_seconds"), number("first_byte_seconds"), number("between_bytes_seconds"), number("total_seconds")] },
  {
    id: "circuit_breaker_config",
    enabled: true,
    start: { enabled: true },
    fields: [number("error_percentage", 50), number("min_calls", 10), number("window_seconds", 30), number("open_seconds", 30)],
  },
  { id: "concurrency_config", enabled: false, start: { max_calls: 100 }, fields: [number("max_calls", 100), number("queue_limit", 100), number("queue_seconds", 30)] },
  { id: "hedging_config", enabled: false, start: { delay_seconds: 2 }, fields: [number("delay_seconds", 2)] },
  {
    id: "routing_config",
    enabled: false,
    start: { strategy: "least_busy" },
    fields: [
      { name: "strategy", kind: "choice", choices: ["traffic", "least_busy", "latency"], fallback: "traffic" },
      { name: "sticky_by", kind: "choice", choices: ["user", "conversation"], fallback: "" },
    ],
  },
  {
    id: "cache_config",
    enabled: true,
    start: { enabled: true },
    fields: [number("ttl_seconds", 3600), number("max_entries", 10_000), { name: "shared", kind: "flag", fallback: false }],
  },
  { id: "coalescing_config", enabled: true, start: { enabled: true }, fields: [] },
];

type Rule = Record<string, unknown>;

export function isOn(section: RuleSection, rule: unknown): boolean {
  return typeof rule === "object" && rule !== null && (!section.enabled || (rule as Rule)["enabled"] === true);
}
