import { expect, test } from "vitest";
import { EventParser, type ServerEvent } from "./event-parser";

const STREAM = ': keep-alive\n\nevent: call\ndata: {"a":1}\n\ndata: one\r\ndata: two\r\nid: 7\r\n\r\ndata:日本\r\rdata: [DONE]\n\ndata: unfinished';
const EVENTS: ServerEvent[] = [
  { event: "call", data: '{"a":1}', id: null },
  { event: "message", data: "one\ntwo", id: "7" },
  { event: "message", data: "日本", id: "7" },
  { event: "message", data: "[DONE]", id: "7" },
];

function feed(pieces: string[]): ServerEvent[] {
  const parser = new EventParser();
  return pieces.flatMap((piece) => parser.feed(piece));
}

test("a stream in one piece gives its events, and nothing of an unfinished one", () => {
  expect(feed([STREAM])).toEqual(EVENTS);
});

test("where a stream is cut makes no difference", () => {
  expect(feed([...STREAM])).toEqual(EVENTS);
  for (let cut = 0; cut <= STREAM.length; cut += 1) expect(feed([STREAM.slice(0, cut), STREAM.slice(cut)])).toEqual(EVENTS);
});
