/**
 * A conversation as a tree: editing a question or asking again makes a branch, and nothing that was said is lost.
 *
 * Pure; ids come from the caller. What is shown is the path of chosen turns from the root.
 */
import type { Answer } from "~/api/answer-reader";
import type { Body } from "~/api/invocations";

interface Placed {
  id: string;
  /** Null: it begins the conversation. */
  parent: string | null;
}

export interface UserTurn extends Placed {
  role: "user";
  text: string;
  /** Data URLs. */
  images: string[];
}

export interface AssistantTurn extends Placed {
  role: "assistant";
  endpoint: string;
  /** What was sent; null where the turn was written down elsewhere. */
  request: Body | null;
  answer: Answer;
}

export interface ToolResult {
  id: string;
  name: string;
  text: string;
}

export interface ToolTurn extends Placed {
  role: "tool";
  results: ToolResult[];
}

export type Turn = UserTurn | AssistantTurn | ToolTurn;

export interface Tree {
  turns: Readonly<Record<string, Turn>>;
  /** Ids by parent, the oldest first; "" is the root. */
  children: Readonly<Record<string, readonly string[]>>;
  /** Which of the children is shown. */
  chosen: Readonly<Record<string, string>>;
}

export const EMPTY: Tree = { turns: {}, children: {}, chosen: {} };

const key = (parent: string | null): string => parent ?? "";

/** The tree with one more turn, which is shown. */
export function withTurn(tree: Tree, turn: Turn): Tree {
  const at = key(turn.parent);
  return {
    turns: { ...tree.turns, [turn.id]: turn },
    children: { ...tree.children, [at]: [...(tree.children[at] ?? []), turn.id] },
    chosen: { ...tree.chosen, [at]: turn.id },
  };
}

/** The same turn with something else in it. */
export function replaced(tree: Tree, turn: Turn): Tree {
  return tree.turns[turn.id] ? { ...tree, turns: { ...tree.turns, [turn.id]: turn } } : tree;
}

/** The turns that are shown, in order. */
export function pathOf(tree: Tree): Turn[] {
  const found: Turn[] = [];
  for (let at = tree.turns[tree.chosen[""] ?? ""]; at; at = tree.turns[tree.chosen[at.id] ?? ""]) found.push(at);
  return found;
}

/** The turns down to one, itself included. */
export function pathTo(tree: Tree, id: string | null): Turn[] {
  const found: Turn[] = [];
  for (let at = id === null ? undefined : tree.turns[id]; at; at = at.parent === null ? undefined : tree.turns[at.parent]) found.unshift(at);
  return found;
}

export function siblingsOf(tree: Tree, turn: Turn): { ids: readonly string[]; index: number } {
  const ids = tree.children[key(turn.parent)] ?? [];
  return { ids, index: ids.indexOf(turn.id) };
}

/** The tree with a sibling shown in place of a turn; `step` -1 or 1. */
export function stepped(tree: Tree, turn: Turn, step: number): Tree {
  const { ids, index } = siblingsOf(tree, turn);
  const next = ids[index + step];
  return next === undefined ? tree : { ...tree, chosen: { ...tree.chosen, [key(turn.parent)]: next } };
}

/** The messages that a model is sent for these turns. An answer without anything in it is none. */
export function messagesOf(turns: readonly Turn[], system: string): Body[] {
  const messages: Body[] = system.trim() ? [{ role: "system", content: system }] : [];
  for (const turn of turns) {
    if (turn.role === "user") messages.push({ role: "user", content: contentOf(turn) });
    else if (turn.role === "tool") for (const { id, text } of turn.results) messages.push({ role: "tool", tool_call_id: id, content: text });
    else messages.push(...said(turn));
  }
  return messages;
}

function contentOf({ text, images }: UserTurn): unknown {
  if (!images.length) return text;
  return [...(text ? [{ type: "text", text }] : []), ...images.map((url) => ({ type: "image_url", image_url: { url } }))];
}

function said({ answer }: AssistantTurn): Body[] {
  const { text, toolCalls } = answer.reading;
  const calls = toolCalls.filter(Boolean).map((call) => ({ id: call.id, type: "function", function: { name: call.name, arguments: call.arguments } }));
  if (!text && !calls.length) return [];
  return [{ role: "assistant", content: text || null, ...(calls.length ? { tool_calls: calls } : {}) }];
}

/** Calls of tools that nobody has answered. */
export function openToolCalls(turn: Turn | undefined) {
  if (turn?.role !== "assistant" || turn.answer.totalMs === null || turn.answer.stopped) return [];
  return turn.answer.reading.toolCalls.filter(Boolean);
}
