/** Where the attempts of a call lie on the line from its beginning to its end. Pure. */
import { type Attempt, type Call, endOf } from "~/api/calls";

/** `wait`: nothing has come yet; `flow`: the answer comes; `failed`: it came to nothing. */
export interface Span {
  kind: "wait" | "flow" | "failed";
  /** Shares of the whole, 0 to 1. */
  from: number;
  to: number;
}

/** Who was asked: where it was one alone, nobody notes when, and it had the whole time. */
export function attemptsOf(call: Call): Attempt[] {
  if (call.attempts) return call.attempts;
  if (call.entity === null) return [];
  const failed = call.first_byte_ms === null && endOf(call) === "error";
  return [{ entity: call.entity, outcome: failed ? (call.error_code ?? "error") : "ok", began_ms: null, duration_ms: null }];
}

/** The parts of one attempt; none where it is not known when it was. */
export function spansOf(call: Call, attempt: Attempt): Span[] {
  const whole = call.duration_ms;
  const [began, took] = call.attempts ? [attempt.began_ms, attempt.duration_ms] : [0, whole];
  if (began === null || took === null || whole <= 0) return [];
  const share = (time: number) => Math.min(1, Math.max(0, time / whole));
  const [from, to] = [share(began), share(began + took)];
  if (attempt.outcome !== "ok") return [{ kind: "failed", from, to }];
  const heard = call.first_byte_ms === null ? to : Math.max(from, share(call.first_byte_ms));
  if (heard >= to) return [{ kind: "wait", from, to }];
  return [
    { kind: "wait", from, to: heard },
    { kind: "flow", from: heard, to },
  ];
}
