/** The fields of a request beside its messages, as they are typed, and the body that they make. Pure. */
import type { Body } from "~/api/invocations";

export const NUMBERS = ["temperature", "top_p", "max_tokens", "seed", "frequency_penalty", "presence_penalty"] as const;
export type NumberField = (typeof NUMBERS)[number];

export const EFFORTS = ["", "none", "minimal", "low", "medium", "high"] as const;
export type ResponseFormat = "text" | "json_object" | "json_schema";

export interface Settings {
  system: string;
  numbers: Partial<Record<NumberField, string>>;
  /** One on each line. */
  stop: string;
  effort: string;
  stream: boolean;
  /** JSON, or nothing. */
  tools: string;
  format: ResponseFormat;
  schema: string;
  extra: string;
}

export const FIRST: Settings = { system: "", numbers: {}, stop: "", effort: "", stream: true, tools: "", format: "text", schema: "", extra: "" };

export type Fault = "number" | "integer" | "array" | "object" | "json";
export type Faults = Partial<Record<NumberField | "tools" | "schema" | "extra", Fault>>;

const WHOLE: readonly string[] = ["max_tokens", "seed"];

export const TOOL_EXAMPLE = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "The weather in a city now",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
    },
  },
];

export const SCHEMA_EXAMPLE = {
  name: "answer",
  strict: true,
  schema: { type: "object", properties: { answer: { type: "string" }, sure: { type: "boolean" } }, required: ["answer", "sure"], additionalProperties: false },
};

/** The body for these messages, and what in the settings cannot be read; such fields are left out. */
export function bodyOf(settings: Settings, messages: readonly Body[]): { body: Body; faults: Faults } {
  const faults: Faults = {};
  const body: Body = { messages };
  for (const name of NUMBERS) {
    const typed = settings.numbers[name]?.trim();
    if (!typed) continue;
    const value = Number(typed);
    if (!Number.isFinite(value)) faults[name] = "number";
    else if (WHOLE.includes(name) && !Number.isInteger(value)) faults[name] = "integer";
    else body[name] = value;
  }
  const stops = settings.stop.split("\n").filter((line) => line !== "");
  if (stops.length) body["stop"] = stops.length === 1 ? stops[0] : stops;
  if (settings.effort) body["reasoning_effort"] = settings.effort;
  const tools = parsed(settings.tools, Array.isArray, "array");
  if (tools.fault) faults.tools = tools.fault;
  else if (Array.isArray(tools.value) && tools.value.length) body["tools"] = tools.value;
  if (settings.format === "json_object") body["response_format"] = { type: "json_object" };
  if (settings.format === "json_schema") {
    const schema = parsed(settings.schema, isObject, "object");
    if (schema.fault || schema.value === undefined) faults.schema = schema.fault ?? "object";
    else body["response_format"] = { type: "json_schema", json_schema: schema.value };
  }
  const extra = parsed(settings.extra, isObject, "object");
  if (extra.fault) faults.extra = extra.fault;
  else if (extra.value) Object.assign(body, extra.value);
  if (settings.stream) body["stream"] = true;
  return { body, faults };
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);

function parsed(text: string, fits: (value: unknown) => boolean, otherwise: Fault): { value?: unknown; fault?: Fault } {
  if (!text.trim()) return {};
  try {
    const value: unknown = JSON.parse(text);
    return fits(value) ? { value } : { fault: otherwise };
  } catch {
    return { fault: "json" };
  }
}
