/**
 * What an answer says, put together from its pieces: chunks of a stream, or one document.
 *
 * Pure. Reads OpenAI's shapes, and the parts in which Databricks has the reasoning of a model.
 */

import type { ApiError } from "./errors";

export interface ToolCall {
  id: string;
  name: string;
  /** JSON as the model wrote it, which may be none. */
  arguments: string;
}

export interface TokenUsage {
  prompt_tokens?: number;
  completion_tokens?: number;
  total_tokens?: number;
  completion_tokens_details?: { reasoning_tokens?: number };
  prompt_tokens_details?: { cached_tokens?: number };
}

export interface Reading {
  text: string;
  reasoning: string;
  refusal: string;
  toolCalls: ToolCall[];
  finishReason: string | null;
  usage: TokenUsage | null;
  /** The vectors of an embeddings answer: how many, and how long each is. */
  vectors: { count: number; length: number } | null;
  error: { code: string; message: string } | null;
}

export interface Answer {
  /** 0 until the head is here. */
  status: number;
  headers: [string, string][];
  reading: Reading;
  /** What came, as it came; kept only where it is asked for. */
  raw: string;
  /** Milliseconds from the press of the button; the first token is known of streams. */
  firstMs: number | null;
  totalMs: number | null;
  /** A refusal, or a connection that broke. An error inside a stream stands in the reading. */
  failure: ApiError | null;
  stopped: boolean;
}

export function emptyAnswer(): Answer {
  return { status: 0, headers: [], reading: emptyReading(), raw: "", firstMs: null, totalMs: null, failure: null, stopped: false };
}

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const textIn = (value: unknown): string => (typeof value === "string" ? value : "");

export function emptyReading(): Reading {
  return { text: "", reasoning: "", refusal: "", toolCalls: [], finishReason: null, usage: null, vectors: null, error: null };
}

/** Adds one document to a reading, in place: a stream has thousands. Of several choices the first is read. */
export function read(into: Reading, document: unknown): void {
  if (!isObject(document)) return;
  if (document["error_code"] || isObject(document["error"])) {
    const inner = isObject(document["error"]) ? document["error"] : {};
    into.error = { code: textIn(document["error_code"]) || textIn(inner["code"]) || "ERROR", message: textIn(document["message"]) || textIn(inner["message"]) };
    return;
  }
  if (isObject(document["usage"])) into.usage = document["usage"] as TokenUsage;
  if (Array.isArray(document["data"])) {
    const first = (document["data"][0] as Json | undefined)?.["embedding"];
    into.vectors = { count: document["data"].length, length: Array.isArray(first) ? first.length : 0 };
  }
  const choices = document["choices"];
  if (!Array.isArray(choices)) return;
  const choice = choices.find((each) => isObject(each) && (each["index"] ?? 0) === 0) as Json | undefined;
  if (!choice) return;
  if (typeof choice["finish_reason"] === "string") into.finishReason = choice["finish_reason"];
  into.text += textIn(choice["text"]);
  const said = choice["delta"] ?? choice["message"];
  if (!isObject(said)) return;
  readContent(into, said["content"]);
  into.reasoning += textIn(said["reasoning_content"]) || textIn(said["reasoning"]);
  into.refusal += textIn(said["refusal"]);
  if (Array.isArray(said["tool_calls"])) said["tool_calls"].forEach((call, index) => readToolCall(into, call, index));
}

function readContent(into: Reading, content: unknown): void {
  if (typeof content === "string") into.text += content;
  if (!Array.isArray(content)) return;
  for (const part of content) {
    if (!isObject(part)) continue;
    if (part["type"] === "text") into.text += textIn(part["text"]);
    if (part["type"] === "reasoning" && Array.isArray(part["summary"])) for (const each of part["summary"]) if (isObject(each)) into.reasoning += textIn(each["text"]);
  }
}

function readToolCall(into: Reading, call: unknown, place: number): void {
  if (!isObject(call)) return;
  const index = typeof call["index"] === "number" ? call["index"] : place;
  const made = isObject(call["function"]) ? call["function"] : {};
  const held = (into.toolCalls[index] ??= { id: "", name: "", arguments: "" });
  held.id ||= textIn(call["id"]);
  held.name ||= textIn(made["name"]);
  held.arguments += textIn(made["arguments"]);
}

/** Tokens of the answer for each second after the first one; null where the provider counted none, or the time is too short to tell. */
export function tokensPerSecond({ reading, firstMs, totalMs }: Answer): number | null {
  const tokens = reading.usage?.completion_tokens;
  if (!tokens || tokens < 2 || firstMs === null || totalMs === null || totalMs - firstMs < 20) return null;
  return ((tokens - 1) / (totalMs - firstMs)) * 1000;
}
