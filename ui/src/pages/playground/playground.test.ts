import { expect, test } from "vitest";
import { emptyAnswer } from "~/api/answer-reader";
import { conversationOf } from "./replay";
import { bodyOf, FIRST } from "./settings";
import { type AssistantTurn, EMPTY, messagesOf, pathOf, pathTo, siblingsOf, stepped, type UserTurn, withTurn } from "./tree";

const user = (id: string, parent: string | null, text = id): UserTurn => ({ id, parent, role: "user", text, images: [] });
const said = (id: string, parent: string, text = id): AssistantTurn => {
  const answer = emptyAnswer();
  answer.reading.text = text;
  answer.totalMs = 1;
  return { id, parent, role: "assistant", endpoint: "demo", request: null, answer };
};
const ids = (turns: { id: string }[]) => turns.map((turn) => turn.id).join(" ");

test("editing a question makes a branch, and each branch keeps what came after", () => {
  let tree = [user("q1", null), said("a1", "q1"), user("q2", "a1"), said("a2", "q2")].reduce(withTurn, EMPTY);
  tree = withTurn(tree, user("q1b", null));
  expect(ids(pathOf(tree))).toBe("q1b");
  const shown = pathOf(tree)[0];
  if (!shown) throw new Error("nothing shown");
  expect(siblingsOf(tree, shown)).toEqual({ ids: ["q1", "q1b"], index: 1 });
  tree = stepped(tree, shown, -1);
  expect(ids(pathOf(tree))).toBe("q1 a1 q2 a2");
  expect(stepped(tree, user("q1", null), -1)).toBe(tree);
  expect(ids(pathTo(tree, "a1"))).toBe("q1 a1");
});

test("asking again is a sibling of the answer", () => {
  const tree = [user("q", null), said("a", "q"), said("b", "q")].reduce(withTurn, EMPTY);
  expect(ids(pathOf(tree))).toBe("q b");
});

test("messages have the system prompt first, images as parts, and no empty answers", () => {
  const turns = [{ ...user("q", null, "See"), images: ["data:image/png;base64,AA"] }, said("a", "q", ""), user("r", "a")];
  expect(messagesOf(turns, " ")).toEqual([
    { role: "user", content: [{ type: "text", text: "See" }, { type: "image_url", image_url: { url: "data:image/png;base64,AA" } }] },
    { role: "user", content: "r" },
  ]);
  expect(messagesOf([], "Be brief")).toEqual([{ role: "system", content: "Be brief" }]);
});

test("settings become fields, and those that cannot be read are told and left out", () => {
  const typed = { ...FIRST, numbers: { temperature: "0", top_p: "x", max_tokens: "1.5", seed: "7" }, stop: "a\nb", effort: "low", tools: "{}", extra: "[" };
  const { body, faults } = bodyOf(typed, []);
  expect(body).toEqual({ messages: [], temperature: 0, seed: 7, stop: ["a", "b"], reasoning_effort: "low", stream: true });
  expect(faults).toEqual({ top_p: "number", max_tokens: "integer", tools: "array", extra: "json" });
  expect(bodyOf({ ...FIRST, format: "json_schema", schema: '{"name":"x"}', stream: false }, []).body).toEqual({ messages: [], response_format: { type: "json_schema", json_schema: { name: "x" } } });
});

test("a body that was sent becomes a conversation that makes the same body again", () => {
  const body = {
    messages: [
      { role: "system", content: "Be brief" },
      { role: "user", content: [{ type: "text", text: "See" }, { type: "image_url", image_url: { url: "data:image/png;base64,AA" } }] },
      { role: "assistant", content: null, tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "{}" } }] },
      { role: "tool", tool_call_id: "1", content: "sunny" },
      { role: "assistant", content: "Sunny." },
      { role: "user", content: "Thanks" },
    ],
    temperature: 0.5,
    stop: "x",
    top_k: 3,
    tools: [{ type: "function", function: { name: "f" } }],
    response_format: { type: "json_object" },
    stream: true,
  };
  let count = 0;
  const { settings, tree } = conversationOf(body, "demo", () => String((count += 1)));
  expect(bodyOf(settings, messagesOf(pathOf(tree), settings.system)).body).toEqual(body);
});
