import { expect, test } from "vitest";
import { emptyReading, read } from "./answer-reader";

const reading = (...documents: unknown[]) => {
  const into = emptyReading();
  for (const each of documents) read(into, each);
  return into;
};
const delta = (more: object, rest: object = {}) => ({ choices: [{ index: 0, delta: more, ...rest }] });

test("the pieces of a stream make the answer of one document", () => {
  const usage = { prompt_tokens: 3, completion_tokens: 2 };
  const streamed = reading(delta({ role: "assistant", content: "" }), delta({ content: "Hel" }), delta({ content: "lo" }), { ...delta({}, { finish_reason: "stop" }), usage });
  const whole = reading({ choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }], usage });
  expect(streamed).toEqual(whole);
  expect(whole).toMatchObject({ text: "Hello", finishReason: "stop", usage });
});

test("reasoning is read in both dialects and is no part of the answer", () => {
  const parts = [{ type: "reasoning", summary: [{ type: "summary_text", text: "Hm" }] }, { type: "text", text: "Yes" }];
  expect(reading(delta({ content: parts }), delta({ reasoning_content: "!" }))).toMatchObject({ reasoning: "Hm!", text: "Yes" });
});

test("tool calls come in pieces by their index", () => {
  const call = (index: number, more: object, id?: string) => delta({ tool_calls: [{ index, id, function: more }] });
  const { toolCalls } = reading(call(0, { name: "a", arguments: "{" }, "1"), call(1, { name: "b", arguments: "{}" }, "2"), call(0, { arguments: "}" }));
  expect(toolCalls).toEqual([{ id: "1", name: "a", arguments: "{}" }, { id: "2", name: "b", arguments: "{}" }]);
});

test("an error inside a stream is an error, and what came before stays", () => {
  const failed = reading(delta({ content: "Hal" }), { error_code: "INTERNAL_ERROR", message: "cut off", error: { message: "cut off" } });
  expect(failed).toMatchObject({ text: "Hal", error: { code: "INTERNAL_ERROR", message: "cut off" } });
  expect(reading({ error: { message: "no", code: "x" } }).error).toEqual({ code: "x", message: "no" });
});

test("completions and embeddings are read as what they are", () => {
  expect(reading({ choices: [{ index: 0, text: "Once " }] }, { choices: [{ index: 0, text: "upon" }] }).text).toBe("Once upon");
  expect(reading({ data: [{ embedding: [1, 2, 3] }, { embedding: [1, 2, 3] }] }).vectors).toEqual({ count: 2, length: 3 });
});

test("strange things are no reason to fail", () => {
  for (const strange of [null, 1, [], {}, { choices: [null] }, { choices: [{ delta: null }] }, delta({ content: [null, 1] }), delta({ tool_calls: [null] })]) expect(() => reading(strange)).not.toThrow();
});
