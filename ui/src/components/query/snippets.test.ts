import { expect, test } from "vitest";
import { python, shell, typescript } from "./literals";
import { type Ask, exampleBody, LANGUAGES, snippet } from "./snippets";

const TOKEN = "dapi0123456789abcdef";
const WORDS = { question: "What's a \"cloche\"?", prompt: "Once", texts: ["a", "b"] };
const ask = (more: Partial<Ask> = {}): Ask => ({ host: "http://localhost:8080", endpoint: "demo", task: "llm/v1/chat", body: exampleBody("llm/v1/chat", WORDS), token: null, ...more });

test("without a token no program holds one, and each takes it from the environment", () => {
  for (const language of LANGUAGES) expect(snippet(language, ask()), language).not.toContain(TOKEN);
  for (const language of ["curl", "openai", "databricks", "typescript"] as const) expect(snippet(language, ask())).toContain("DATABRICKS_TOKEN");
});

test("with a token each program runs as it stands", () => {
  for (const language of LANGUAGES) {
    const made = snippet(language, ask({ token: TOKEN }));
    expect(made, language).toContain(TOKEN);
    expect(made, language).toContain("http://localhost:8080");
  }
});

test("curl holds the body as it is, quotes and all", () => {
  const made = snippet("curl", ask()) ?? "";
  const body = /-d '([\s\S]*)'$/.exec(made)?.[1]?.replaceAll("'\\''", "'") ?? "";
  expect(JSON.parse(body)).toEqual(ask().body);
  expect(made).toContain("curl -sN");
  expect(snippet("curl", ask({ body: { messages: [] } }))).toContain("curl -s http");
});

test("what the OpenAI client does not know by name goes into extra_body", () => {
  const made = snippet("openai", ask({ body: { messages: [{ role: "user", content: "Hi" }], top_k: 5, temperature: 0 } }));
  expect(made).toContain('    extra_body={"top_k": 5},');
  expect(made).toContain("    temperature=0,");
  expect(made).toContain("print(response.choices[0].message.content)");
});

test("streams are read as streams where the client can", () => {
  expect(snippet("openai", ask())).toContain("for chunk in stream:");
  expect(snippet("mlflow", ask())).toContain("predict_stream(");
  expect(snippet("mlflow", ask())).not.toContain('"stream"');
  expect(snippet("databricks", ask())).not.toContain("stream");
  expect(snippet("typescript", ask())).toContain("for await");
});

test("the Databricks SDK gets messages as its own objects, and other parameters as text", () => {
  const made = snippet("databricks", ask({ body: { messages: [{ role: "system", content: "Be brief" }, { role: "user", content: "Hi" }], top_p: 0.9, max_tokens: 5 } }));
  expect(made).toContain('ChatMessage(role=ChatMessageRole.SYSTEM, content="Be brief"),');
  expect(made).toContain('extra_params={"top_p": "0.9"},');
  expect(made).toContain("    max_tokens=5,");
});

test("messages that the Databricks SDK has no words for are sent through its plain client", () => {
  const made = snippet("databricks", ask({ body: { messages: [{ role: "user", content: [{ type: "text", text: "Hi" }] }] } }));
  expect(made).toContain("w.api_client.do(");
  expect(made).not.toContain("ChatMessage");
});

test("tasks have their own calls", () => {
  const vectors = ask({ task: "llm/v1/embeddings", body: exampleBody("llm/v1/embeddings", WORDS) });
  expect(snippet("openai", vectors)).toContain("client.embeddings.create(");
  expect(snippet("typescript", vectors)).toContain('input: ["a", "b"]');
  expect(snippet("databricks", vectors)).toContain('input=["a", "b"],');
  expect(snippet("cli", vectors)).toBeNull();
  const prose = ask({ task: "llm/v1/completions", body: exampleBody("llm/v1/completions", WORDS) });
  expect(snippet("openai", prose)).toContain("client.completions.create(");
  expect(snippet("mlflow", prose)).toContain('choice.get("text", "")');
});

test("the command line asks the last question", () => {
  const body = { messages: [{ role: "user", content: "one" }, { role: "assistant", content: "x" }, { role: "user", content: "it's two" }] };
  expect(snippet("cli", ask({ body }))).toBe(`cloche query demo 'it'\\''s two' --url http://localhost:8080 --no-stream`);
});

test("literals are those of the language", () => {
  expect(python({ a: [true, null, 1.5, "é\n"] })).toBe('{"a": [True, None, 1.5, "é\\n"]}');
  expect(python({})).toBe("{}");
  expect(typescript({ a: [], "b-c": { d: null } })).toBe('{ a: [], "b-c": { d: null } }');
  expect(python({ text: "x".repeat(100) })).toBe(`{\n    "text": "${"x".repeat(100)}",\n}`);
  expect(shell("a b")).toBe("'a b'");
  expect(shell("")).toBe("''");
});
