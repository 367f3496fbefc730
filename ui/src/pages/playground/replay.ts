/** A body that was sent before becomes a conversation again, so that it can be changed and sent anew. Pure. */
import { emptyAnswer } from "~/api/answer-reader";
import type { Body } from "~/api/invocations";
import { FIRST, NUMBERS, type Settings } from "./settings";
import { EMPTY, type Tree, type Turn, withTurn } from "./tree";

type Message = Record<string, unknown>;

const KNOWN: readonly string[] = ["messages", "model", "stream", "stream_options", "stop", "reasoning_effort", "tools", "response_format", ...NUMBERS];

/** `newId` makes the ids of the turns; `endpoint` is who is said to have answered. */
export function conversationOf(body: Body, endpoint: string, newId: () => string): { settings: Settings; tree: Tree } {
  const messages = Array.isArray(body["messages"]) ? (body["messages"] as Message[]) : [];
  const systems: string[] = [];
  let tree: Tree = EMPTY;
  let last: Turn | null = null;
  const add = (turn: Turn) => {
    tree = withTurn(tree, turn);
    last = turn;
  };
  for (const message of messages) {
    const parent: string | null = (last as Turn | null)?.id ?? null;
    const { text, images } = contentOf(message["content"]);
    if (message["role"] === "system" || message["role"] === "developer") systems.push(text);
    else if (message["role"] === "user") add({ id: newId(), parent, role: "user", text, images });
    else if (message["role"] === "assistant") add({ id: newId(), parent, role: "assistant", endpoint, request: null, answer: answerOf(message, text) });
    else if (message["role"] === "tool") {
      const result = { id: String(message["tool_call_id"] ?? ""), name: "", text };
      const before = last as Turn | null;
      if (before?.role === "tool") before.results.push(result);
      else add({ id: newId(), parent, role: "tool", results: [result] });
    }
  }
  return { settings: settingsOf(body, systems.join("\n\n")), tree };
}

function contentOf(content: unknown): { text: string; images: string[] } {
  if (typeof content === "string") return { text: content, images: [] };
  if (!Array.isArray(content)) return { text: "", images: [] };
  const parts = content as { type?: string; text?: string; image_url?: { url?: string } }[];
  return {
    text: parts.flatMap((part) => (part?.type === "text" && part.text ? [part.text] : [])).join("\n"),
    images: parts.flatMap((part) => (part?.type === "image_url" && part.image_url?.url ? [part.image_url.url] : [])),
  };
}

function answerOf(message: Message, text: string) {
  const answer = emptyAnswer();
  const calls = Array.isArray(message["tool_calls"]) ? (message["tool_calls"] as { id?: string; function?: { name?: string; arguments?: string } }[]) : [];
  answer.reading.text = text;
  answer.reading.toolCalls = calls.map((call) => ({ id: call.id ?? "", name: call.function?.name ?? "", arguments: call.function?.arguments ?? "" }));
  answer.totalMs = 0;
  return answer;
}

function settingsOf(body: Body, system: string): Settings {
  const written = (value: unknown) => JSON.stringify(value, null, 2);
  const numbers = Object.fromEntries(NUMBERS.flatMap((name) => (typeof body[name] === "number" ? [[name, String(body[name])]] : [])));
  const stop = body["stop"];
  const format = body["response_format"] as { type?: string; json_schema?: unknown } | undefined;
  const extra = Object.fromEntries(Object.entries(body).filter(([name]) => !KNOWN.includes(name)));
  return {
    ...FIRST,
    system,
    numbers,
    stop: Array.isArray(stop) ? stop.join("\n") : typeof stop === "string" ? stop : "",
    effort: typeof body["reasoning_effort"] === "string" ? body["reasoning_effort"] : "",
    stream: body["stream"] === true,
    tools: Array.isArray(body["tools"]) ? written(body["tools"]) : "",
    format: format?.type === "json_object" || format?.type === "json_schema" ? format.type : "text",
    schema: format?.json_schema ? written(format.json_schema) : "",
    extra: Object.keys(extra).length ? written(extra) : "",
  };
}
