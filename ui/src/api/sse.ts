/** Server-sent events, read from a fetch: EventSource can send no Authorization header. */
import { type Options, send } from "./client";
import { EventParser, type ServerEvent } from "./event-parser";

export type { ServerEvent };

/** Sends a request and yields the events of its answer until it ends. Throws ApiError before the first; abort to stop. */
export async function* eventsOf(method: string, path: string, options: Options = {}): AsyncGenerator<ServerEvent> {
  const headers = { Accept: "text/event-stream", ...options.headers };
  yield* eventsIn(await send(method, path, { ...options, headers }));
}

/** The events in an answer's body. */
export async function* eventsIn(response: Response): AsyncGenerator<ServerEvent> {
  if (!response.body) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
