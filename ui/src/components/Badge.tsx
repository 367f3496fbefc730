/** States in a word and a colour; the word says it, the colour only helps. */
import type { ReactNode } from "react";

export type Tone = "ok" | "warn" | "bad" | "info" | "idle" | "accent";

export function Badge({ tone = "idle", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span className={`badge ${tone}`}>
      <span>{children}</span>
    </span>
  );
}

/** A dot with its word. `pulse`: something is under way. */
export function StateDot({ tone, label, pulse, hideLabel }: { tone: Tone; label: string; pulse?: boolean; hideLabel?: boolean }) {
  return (
    <span className="row nowrap" style={{ gap: "0.45rem" }}>
      <span className={`dot ${tone}${pulse ? " pulse" : ""}`} aria-hidden="true" />
      <span className={hideLabel ? "sr-only" : undefined}>{label}</span>
    </span>
  );
}
