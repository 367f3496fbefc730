/**
 * The playground's conversations and the calls that are under way.
 *
 * It outlives the page: an answer goes on while one looks at another page. Everything is kept in this tab's
 * sessionStorage and ends with it, or when one signs out.
 */
import { useEffect, useSyncExternalStore } from "react";
import { ask } from "~/api/answer";
import { type Answer, emptyAnswer } from "~/api/answer-reader";
import { session } from "~/api/session";
import type { Replay } from "~/components/query/replays";
import { useFrames } from "~/components/use-frames";
import { conversationOf } from "./replay";
import { bodyOf, FIRST, type Settings } from "./settings";
import { type AssistantTurn, EMPTY, messagesOf, pathOf, pathTo, replaced, stepped, type ToolResult, type Tree, type Turn, withTurn } from "./tree";

export interface Lane {
  id: string;
  endpoint: string;
  tree: Tree;
}

export interface Conversation {
  id: string;
  /** Unix milliseconds. */
  updated: number;
  lanes: readonly Lane[];
  settings: Settings;
}

export interface State {
  current: Conversation;
  /** The others, the newest first. */
  kept: readonly Conversation[];
  /** Ids of the turns whose answers are coming. */
  running: ReadonlySet<string>;
}

const KEY = "cloche.playground";
const MOST_KEPT = 20;
export const MOST_LANES = 4;

let count = 0;
/** Unique in this tab; randomUUID is not there where the page comes over plain HTTP from another host. */
const newId = (): string => `${Date.now().toString(36)}${(count += 1).toString(36)}`;
const newLane = (endpoint: string, tree: Tree = EMPTY): Lane => ({ id: newId(), endpoint, tree });
const fresh = (lanes: readonly Lane[] = [], settings: Settings = FIRST): Conversation => ({ id: newId(), updated: Date.now(), lanes, settings });

let state: State = { ...restored(), running: new Set() };
const listeners = new Set<() => void>();
const live = new Map<string, Set<() => void>>();
const stops = new Map<string, AbortController>();

function restored(): Pick<State, "current" | "kept"> {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY) ?? "") as Pick<State, "current" | "kept">;
    if (found.current.lanes) return found;
  } catch {
    // Nothing is kept, or by another version of the pages.
  }
  return { current: fresh(), kept: [] };
}

/** Images are large and the browser's room is small: without them rather than not at all. */
function keep(): void {
  const { current, kept } = state;
  const bare = (name: string, value: unknown) => (name === "images" ? [] : value);
  for (const attempt of [() => JSON.stringify({ current, kept }), () => JSON.stringify({ current, kept }, bare), () => JSON.stringify({ current, kept: [] }, bare)]) {
    try {
      return sessionStorage.setItem(KEY, attempt());
    } catch {
      // The next one is smaller.
    }
  }
}

let keeping: ReturnType<typeof setTimeout> | undefined;

/** Soon, not at every letter that is typed; a tab that goes away keeps at once. */
function keepSoon(): void {
  clearTimeout(keeping);
  keeping = setTimeout(keep, 250);
}
window.addEventListener("pagehide", () => session.token() !== null && keep());

function become(next: Partial<State>): void {
  state = { ...state, ...next };
  keepSoon();
  for (const each of listeners) each();
}

session.subscribe(() => {
  if (session.token() !== null) return;
  for (const stop of stops.values()) stop.abort();
  clearTimeout(keeping);
  state = { current: fresh(), kept: [], running: new Set() };
  sessionStorage.removeItem(KEY);
});

const used = (conversation: Conversation): boolean => conversation.lanes.some((lane) => lane.tree.chosen[""] !== undefined);

function put(change: Partial<Conversation>): void {
  become({ current: { ...state.current, ...change, updated: Date.now() } });
}

/** Changes a lane's tree wherever the lane is: its conversation may be laid aside while an answer comes. */
function grow(laneId: string, change: (tree: Tree) => Tree): void {
  const within = (conversation: Conversation): Conversation =>
    conversation.lanes.some((lane) => lane.id === laneId)
      ? { ...conversation, updated: Date.now(), lanes: conversation.lanes.map((lane) => (lane.id === laneId ? { ...lane, tree: change(lane.tree) } : lane)) }
      : conversation;
  become({ current: within(state.current), kept: state.kept.map(within) });
}

const laneOf = (id: string): Lane | undefined => state.current.lanes.find((lane) => lane.id === id);

async function answer(laneId: string, parent: string): Promise<void> {
  const lane = laneOf(laneId);
  if (!lane) return;
  const { settings } = state.current;
  const { body } = bodyOf(settings, messagesOf(pathTo(lane.tree, parent), settings.system));
  const turn: AssistantTurn = { id: newId(), parent, role: "assistant", endpoint: lane.endpoint, request: body, answer: emptyAnswer() };
  const stop = new AbortController();
  stops.set(turn.id, stop);
  grow(laneId, (tree) => withTurn(tree, turn));
  become({ running: new Set([...state.running, turn.id]) });
  const onProgress = (now: Answer) => {
    Object.assign(turn.answer, now);
    for (const each of live.get(turn.id) ?? []) each();
  };
  const done = await ask(lane.endpoint, body, { signal: stop.signal, onProgress });
  stops.delete(turn.id);
  const running = new Set(state.running);
  running.delete(turn.id);
  state = { ...state, running };
  if (session.token() !== null) grow(laneId, (tree) => replaced(tree, { ...turn, answer: { ...done } }));
}

function say(laneId: string, make: (parent: string | null) => Turn, parent?: string | null): void {
  const lane = laneOf(laneId);
  if (!lane) return;
  const turn = make(parent === undefined ? (pathOf(lane.tree).at(-1)?.id ?? null) : parent);
  grow(laneId, (tree) => withTurn(tree, turn));
  void answer(laneId, turn.id);
}

export const playground = {
  state: (): State => state,

  /** Asks all lanes. */
  send(text: string, images: string[]): void {
    for (const lane of state.current.lanes) say(lane.id, (parent) => ({ id: newId(), parent, role: "user", text, images }));
  },

  /** Asks something else in place of a question. */
  edit(laneId: string, turn: Turn, text: string, images: string[]): void {
    say(laneId, (parent) => ({ id: newId(), parent, role: "user", text, images }), turn.parent);
  },

  giveResults(laneId: string, parent: string, results: ToolResult[]): void {
    say(laneId, (at) => ({ id: newId(), parent: at, role: "tool", results }), parent);
  },

  /** Another answer to what came before a turn. */
  again(laneId: string, parent: string | null): void {
    if (parent !== null) void answer(laneId, parent);
  },

  step(laneId: string, turn: Turn, step: number): void {
    grow(laneId, (tree) => stepped(tree, turn, step));
  },

  /** All answers of this conversation, or one. */
  stop(turnId?: string): void {
    if (turnId !== undefined) return stops.get(turnId)?.abort();
    for (const lane of state.current.lanes) for (const id of Object.keys(lane.tree.turns)) stops.get(id)?.abort();
  },

  change: (settings: Partial<Settings>): void => put({ settings: { ...state.current.settings, ...settings } }),

  /** The lanes are these endpoints; those that were there keep what was said. A new one takes the last one's conversation over. */
  setEndpoints(endpoints: readonly string[]): void {
    const before = state.current.lanes;
    const lanes = endpoints.slice(0, MOST_LANES).map((endpoint, index) => {
      const here = before[index];
      if (here) return here.endpoint === endpoint ? here : { ...here, endpoint };
      return newLane(endpoint, before.at(-1)?.tree);
    });
    put({ lanes });
  },

  setEndpoint: (laneId: string, endpoint: string): void => put({ lanes: state.current.lanes.map((lane) => (lane.id === laneId ? { ...lane, endpoint } : lane)) }),

  removeLane: (id: string): void => put({ lanes: state.current.lanes.filter((lane) => lane.id !== id) }),

  /** Begins anew with the same endpoints and settings. */
  begin(): void {
    const { current, kept } = state;
    const lanes = current.lanes.map((lane) => newLane(lane.endpoint));
    become({ current: fresh(lanes, current.settings), kept: used(current) ? [current, ...kept].slice(0, MOST_KEPT) : kept });
  },

  open(id: string): void {
    const { current, kept } = state;
    const found = kept.find((each) => each.id === id);
    if (!found) return;
    const others = kept.filter((each) => each !== found);
    become({ current: found, kept: used(current) ? [current, ...others] : others });
  },

  forget(): void {
    playground.stop();
    const lanes = state.current.lanes.map((lane) => newLane(lane.endpoint));
    become({ current: fresh(lanes, state.current.settings) });
  },

  replay({ endpoint, body }: Replay): void {
    const { settings, tree } = conversationOf(body, endpoint, newId);
    const { current, kept } = state;
    become({ current: fresh([newLane(endpoint, tree)], settings), kept: used(current) ? [current, ...kept].slice(0, MOST_KEPT) : kept });
  },
};

export function usePlayground(): State {
  return useSyncExternalStore(
    (listener) => (listeners.add(listener), () => listeners.delete(listener)),
    () => state,
  );
}

/** Redraws while a turn's answer comes. */
export function useLiveTurn(id: string, running: boolean): void {
  const draw = useFrames();
  useEffect(() => {
    if (!running) return;
    const drawers = live.get(id) ?? new Set();
    live.set(id, drawers.add(draw));
    return () => {
      drawers.delete(draw);
      if (!drawers.size) live.delete(id);
    };
  }, [id, running, draw]);
}

/** What a conversation is called: how it begins. */
export function titleOf(conversation: Conversation): string {
  for (const lane of conversation.lanes) {
    const first = pathOf(lane.tree)[0];
    if (first?.role === "user" && first.text) return first.text.replace(/\s+/g, " ").slice(0, 60);
  }
  return "";
}
