/** A local model's state in words and a colour: here and on the page of models. */
import { StateDot, type Tone } from "~/components/Badge";
import { useT } from "~/i18n";

const TONES: Record<string, Tone> = { DEPLOYMENT_READY: "ok", DEPLOYMENT_CREATING: "info", DEPLOYMENT_RECOVERING: "warn", DEPLOYMENT_FAILED: "bad" };

export function EngineState({ state }: { state: string }) {
  const t = useT("status");
  const words: Record<string, string> = t.states;
  return <StateDot tone={TONES[state] ?? "idle"} label={words[state] ?? state} pulse={state === "DEPLOYMENT_CREATING"} />;
}
