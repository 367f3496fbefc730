/** One call to a model and all that is known of its answer while it comes. */
import { emptyReading, type Reading, read } from "./answer-reader";
import { request } from "./client";
import { ApiError, asApiError, errorOf } from "./errors";
import { EventParser } from "./event-parser";
import { type Body, headersOfInterest, invocationsPath } from "./invocations";

export interface Answer {
  /** 0 until the head is here. */
  status: number;
  headers: [string, string][];
  reading: Reading;
  /** What came, as it came; kept only where it is asked for. */
  raw: string;
  /** Milliseconds from the press of the button. */
  firstMs: number | null;
  totalMs: number | null;
  /** A refusal, or a connection that broke. An error inside a stream stands in the reading. */
  failure: ApiError | null;
  stopped: boolean;
}

export function emptyAnswer(): Answer {
  return { status: 0, headers: [], reading: emptyReading(), raw: "", firstMs: null, totalMs: null, failure: null, stopped: false };
}

export interface Asking {
  signal: AbortSignal;
  keepRaw?: boolean;
  /** Something was added to the answer, which is changed in place. */
  onProgress?(answer: Answer): void;
}

/** Sends a body to an endpoint and fills an answer; never throws: what went wrong stands in the answer. */
export async function ask(endpoint: string, body: Body, { signal, keepRaw, onProgress }: Asking): Promise<Answer> {
  const answer = emptyAnswer();
  const began = performance.now();
  const told = () => onProgress?.(answer);
  try {
    const response = await request("POST", invocationsPath(endpoint), { body, signal });
    answer.status = response.status;
    answer.headers = headersOfInterest(response.headers);
    told();
    if (!response.ok) {
      const copy = response.clone();
      answer.failure = await errorOf(response);
      if (keepRaw) answer.raw = await copy.text();
    } else if (response.headers.get("content-type")?.startsWith("text/event-stream")) {
      await readEvents(response, answer, began, told, keepRaw);
    } else {
      const text = await response.text();
      if (keepRaw) answer.raw = text;
      answer.firstMs = performance.now() - began;
      read(answer.reading, JSON.parse(text));
    }
  } catch (thrown) {
    if (signal.aborted) answer.stopped = true;
    else answer.failure = asApiError(thrown);
  }
  answer.totalMs = performance.now() - began;
  told();
  return answer;
}

async function readEvents(response: Response, answer: Answer, began: number, told: () => void, keepRaw = false): Promise<void> {
  const reader = response.body?.getReader();
  if (!reader) return;
  const decoder = new TextDecoder();
  const parser = new EventParser();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const text = decoder.decode(value, { stream: true });
      if (keepRaw) answer.raw += text;
      for (const { data } of parser.feed(text)) {
        if (data === "[DONE]") ended = true;
        else read(answer.reading, JSON.parse(data));
      }
      if (answer.firstMs === null && saysSomething(answer.reading)) answer.firstMs = performance.now() - began;
      told();
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
  if (!ended && !answer.reading.error) answer.failure = new ApiError(0, "CUT_OFF", "");
}

function saysSomething({ text, reasoning, toolCalls, refusal }: Reading): boolean {
  return text !== "" || reasoning !== "" || refusal !== "" || toolCalls.length > 0;
}

/** Tokens of the answer for each second after the first one; null where the provider counted none, or the time is too short to tell. */
export function tokensPerSecond({ reading, firstMs, totalMs }: Answer): number | null {
  const tokens = reading.usage?.completion_tokens;
  if (!tokens || tokens < 2 || firstMs === null || totalMs === null || totalMs - firstMs < 20) return null;
  return ((tokens - 1) / (totalMs - firstMs)) * 1000;
}
