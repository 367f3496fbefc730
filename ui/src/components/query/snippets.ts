/**
 * Programs that make one call, ready to run.
 *
 * Pure: place, endpoint and body go in, text comes out. Without a token the program takes it from the environment, so
 * that what is copied holds no secret; with one it runs as it stands.
 */
import type { Task } from "~/api/endpoint-choices";
import { python, shell, text, typescript } from "./literals";

export type Language = "curl" | "openai" | "mlflow" | "databricks" | "typescript" | "cli";

export const LANGUAGES: readonly Language[] = ["curl", "openai", "mlflow", "databricks", "typescript", "cli"];

export interface Ask {
  /** Scheme, name and port, without a path. */
  host: string;
  endpoint: string;
  task: Task;
  body: Record<string, unknown>;
  /** Stands in the program; null: the program reads DATABRICKS_TOKEN. */
  token: string | null;
}

/** What an endpoint of a task is asked first. */
export function exampleBody(task: Task, words: { question: string; prompt: string; texts: readonly string[] }): Record<string, unknown> {
  if (task === "llm/v1/completions") return { prompt: words.prompt, max_tokens: 64, stream: true };
  if (task === "llm/v1/embeddings") return { input: [...words.texts] };
  return { messages: [{ role: "user", content: words.question }], max_tokens: 256, stream: true };
}

/** The program; null where the language has no way to make such a call. */
export function snippet(language: Language, ask: Ask): string | null {
  return { curl, openai, mlflow, databricks, typescript: node, cli }[language](ask);
}

const exported = (ask: Ask): string[] => (ask.token === null ? [] : [`export DATABRICKS_TOKEN=${shell(ask.token)}`]);
const pythonToken = (ask: Ask): string => (ask.token === null ? 'os.environ["DATABRICKS_TOKEN"]' : text(ask.token));
const streams = ({ body, task }: Ask): boolean => body["stream"] === true && task !== "llm/v1/embeddings";
const lines = (...all: (string | string[])[]): string => all.flat().join("\n");

function without(body: Record<string, unknown>, ...names: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)));
}

function curl(ask: Ask): string {
  return lines(
    exported(ask),
    `curl -s${streams(ask) ? "N" : ""} ${shell(`${ask.host}/serving-endpoints/${encodeURIComponent(ask.endpoint)}/invocations`)} \\`,
    `  -H "Authorization: Bearer $DATABRICKS_TOKEN" \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d ${shell(JSON.stringify(ask.body, null, 2))}`,
  );
}

/* ---- Python ---- */

/** What `create` of the OpenAI client knows by name; the rest goes into `extra_body`. */
const OPENAI_ARGUMENTS: Record<Task, readonly string[]> = {
  "llm/v1/chat": ["messages", "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "metadata", "modalities", "n", "parallel_tool_calls", "prediction", "presence_penalty", "reasoning_effort", "response_format", "seed", "service_tier", "stop", "store", "stream", "stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity"],
  "llm/v1/completions": ["prompt", "best_of", "echo", "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "n", "presence_penalty", "seed", "stop", "stream", "stream_options", "suffix", "temperature", "top_p", "user"],
  "llm/v1/embeddings": ["input", "dimensions", "encoding_format", "user"],
};

function pythonArguments(values: Record<string, unknown>): string[] {
  return Object.entries(values).map(([name, value]) => `    ${name}=${python(value, 1)},`);
}

function openaiArguments({ body, task, endpoint }: Ask): Record<string, unknown> {
  const known = OPENAI_ARGUMENTS[task];
  const named = Object.fromEntries(Object.entries(body).filter(([name]) => known.includes(name)));
  const extra = without(body, "model", ...known);
  return { model: endpoint, ...named, ...(Object.keys(extra).length ? { extra_body: extra } : {}) };
}

function openai(ask: Ask): string {
  const client = lines(
    ask.token === null ? ["import os", ""] : [],
    "from openai import OpenAI",
    "",
    "client = OpenAI(",
    `    api_key=${pythonToken(ask)},`,
    `    base_url=${text(`${ask.host}/serving-endpoints`)},`,
    ")",
  );
  const given = pythonArguments(openaiArguments(ask));
  if (ask.task === "llm/v1/embeddings")
    return lines(client, "response = client.embeddings.create(", given, ")", "for item in response.data:", "    print(len(item.embedding), item.embedding[:4])");
  const chat = ask.task === "llm/v1/chat";
  const create = `client.${chat ? "chat.completions" : "completions"}.create(`;
  if (!streams(ask)) return lines(client, `response = ${create}`, given, ")", chat ? "print(response.choices[0].message.content)" : "print(response.choices[0].text)");
  const piece = chat ? 'chunk.choices[0].delta.content or ""' : "chunk.choices[0].text";
  return lines(client, `stream = ${create}`, given, ")", "for chunk in stream:", "    if chunk.choices:", `        print(${piece}, end="", flush=True)`, "print()");
}

function mlflow(ask: Ask): string {
  const client = lines(
    "import os",
    "",
    "import mlflow.deployments",
    "",
    `os.environ["DATABRICKS_HOST"] = ${text(ask.host)}`,
    ask.token === null ? [] : [`os.environ["DATABRICKS_TOKEN"] = ${text(ask.token)}`],
    'client = mlflow.deployments.get_deploy_client("databricks")',
  );
  const given = [`    endpoint=${text(ask.endpoint)},`, `    inputs=${python(without(ask.body, "stream"), 1)},`];
  if (streams(ask)) {
    const piece = ask.task === "llm/v1/chat" ? 'choice["delta"].get("content") or ""' : 'choice.get("text", "")';
    return lines(client, "for chunk in client.predict_stream(", given, "):", '    for choice in chunk.get("choices", []):', `        print(${piece}, end="", flush=True)`, "print()");
  }
  const answer = { "llm/v1/chat": 'response.choices[0]["message"]["content"]', "llm/v1/completions": 'response.choices[0]["text"]', "llm/v1/embeddings": 'len(response.data[0]["embedding"])' }[ask.task];
  return lines(client, "response = client.predict(", given, ")", `print(${answer})`);
}

/** What `query` of the Databricks SDK knows by name; the rest goes into `extra_params` as text. */
const SDK_ARGUMENTS = ["input", "max_tokens", "n", "prompt", "stop", "temperature"];
const SDK_ROLES: Record<string, string> = { system: "SYSTEM", user: "USER", assistant: "ASSISTANT" };

interface PlainMessage {
  role: string;
  content: string;
}

/** The messages if each is a role and a text; the SDK has no others. */
function plainMessages(body: Record<string, unknown>): PlainMessage[] | null {
  const messages = body["messages"];
  if (!Array.isArray(messages)) return null;
  const plain = messages.every((each: unknown) => {
    if (typeof each !== "object" || each === null) return false;
    const { role, content, ...more } = each as Record<string, unknown>;
    return typeof role === "string" && role in SDK_ROLES && typeof content === "string" && !Object.keys(more).length;
  });
  return plain ? (messages as PlainMessage[]) : null;
}

/** The SDK cannot read a stream, so `stream` is left out. */
function databricks(ask: Ask): string {
  const body = without(ask.body, "stream", "stream_options");
  const chat = ask.task === "llm/v1/chat";
  const messages = chat ? plainMessages(body) : null;
  const imports = lines(
    ask.token === null ? ["import os", ""] : [],
    "from databricks.sdk import WorkspaceClient",
    messages ? ["from databricks.sdk.service.serving import ChatMessage, ChatMessageRole"] : [],
    "",
    `w = WorkspaceClient(host=${text(ask.host)}, token=${pythonToken(ask)})`,
  );
  if (chat && !messages) {
    const path = text(`/serving-endpoints/${encodeURIComponent(ask.endpoint)}/invocations`);
    return lines(imports, "response = w.api_client.do(", '    "POST",', `    ${path},`, `    body=${python(body, 1)},`, ")", 'print(response["choices"][0]["message"])');
  }
  const named = Object.entries(body).filter(([name]) => SDK_ARGUMENTS.includes(name));
  const extra = Object.entries(without(body, "messages", "model", ...SDK_ARGUMENTS)).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
  const given = [
    `    name=${text(ask.endpoint)},`,
    ...(messages ? ["    messages=[", ...messages.map(({ role, content }) => `        ChatMessage(role=ChatMessageRole.${SDK_ROLES[role]}, content=${text(content)}),`), "    ],"] : []),
    ...pythonArguments(Object.fromEntries(named)),
    ...(extra.length ? pythonArguments({ extra_params: Object.fromEntries(extra) }) : []),
  ];
  const answer = { "llm/v1/chat": "response.choices[0].message.content", "llm/v1/completions": "response.choices[0].text", "llm/v1/embeddings": "len(response.data[0].embedding)" }[ask.task];
  return lines(imports, "response = w.serving_endpoints.query(", given, ")", `print(${answer})`);
}

/* ---- others ---- */

function node(ask: Ask): string {
  const client = lines(
    'import OpenAI from "openai";',
    "",
    "const client = new OpenAI({",
    `  apiKey: ${ask.token === null ? "process.env.DATABRICKS_TOKEN" : text(ask.token)},`,
    `  baseURL: ${text(`${ask.host}/serving-endpoints`)},`,
    "});",
  );
  const body = typescript({ model: ask.endpoint, ...without(ask.body, "model") });
  if (ask.task === "llm/v1/embeddings") return lines(client, `const response = await client.embeddings.create(${body});`, "for (const item of response.data) console.log(item.embedding.length);");
  const chat = ask.task === "llm/v1/chat";
  const create = `await client.${chat ? "chat.completions" : "completions"}.create(${body});`;
  if (!streams(ask)) return lines(client, `const response = ${create}`, `console.log(response.choices[0].${chat ? "message.content" : "text"});`);
  return lines(client, `const stream = ${create}`, "for await (const chunk of stream) {", `  process.stdout.write(chunk.choices[0]?.${chat ? "delta?.content" : "text"} ?? "");`, "}", 'process.stdout.write("\\n");');
}

/** `cloche query` sends one prompt to an endpoint that chats. */
function cli(ask: Ask): string | null {
  if (ask.task !== "llm/v1/chat") return null;
  const messages = Array.isArray(ask.body["messages"]) ? (ask.body["messages"] as { role?: unknown; content?: unknown }[]) : [];
  const asked = messages.filter((each) => each?.role === "user").at(-1)?.content;
  const prompt = typeof asked === "string" ? asked : textOfParts(asked);
  return lines(exported(ask), `cloche query ${shell(ask.endpoint)} ${shell(prompt)} --url ${shell(ask.host)}${streams(ask) ? "" : " --no-stream"}`);
}

function textOfParts(content: unknown): string {
  if (!Array.isArray(content)) return "";
  return content.flatMap((each: { text?: unknown }) => (typeof each?.text === "string" ? [each.text] : [])).join("\n");
}
