/** How states of the wire are shown. */
import type { EndpointState } from "~/api/endpoints";
import type { Tone } from "~/components/Badge";
import type { Dictionary } from "~/i18n";

export interface Shown {
  tone: Tone;
  word: keyof Dictionary["endpoints"]["states"];
  pulse: boolean;
}

export function shownState({ ready, config_update, circuit_breakers }: EndpointState): Shown {
  if (ready === "READY" && Object.values(circuit_breakers ?? {}).some((circuit) => circuit !== "closed" && circuit !== "CLOSED"))
    return { tone: "warn", word: "circuitOpen", pulse: false };
  if (config_update === "IN_PROGRESS") return { tone: "info", word: ready === "READY" ? "updating" : "creating", pulse: true };
  if (ready === "READY") return config_update === "UPDATE_FAILED" ? { tone: "warn", word: "readyUpdateFailed", pulse: false } : { tone: "ok", word: "ready", pulse: false };
  return config_update === "UPDATE_FAILED" ? { tone: "bad", word: "failed", pulse: false } : { tone: "bad", word: "notReady", pulse: false };
}
