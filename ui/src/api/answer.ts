/** One call to a model and all that is known of its answer while it comes. */
import { type Answer, emptyAnswer, type Reading, read } from "./answer-reader";
import { request } from "./client";
import { ApiError, asApiError, errorOf } from "./errors";
import { EventParser } from "./event-parser";
import { type Body, headersOfInterest, invocationsPath } from "./invocations";

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
