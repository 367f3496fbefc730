/** What happened in a call and when: a line for each step, and each attempt drawn where it lies in the whole. */
import type { ReactNode } from "react";
import { type Call, endOf } from "~/api/calls";
import { Badge, type Tone } from "~/components/Badge";
import { useFormat, useT } from "~/i18n";
import { TONE_OF_END } from "./Ended";
import { attemptsOf, type Span, spansOf } from "./spans";

export function Timeline({ call }: { call: Call }) {
  const t = useT("calls").drawer;
  const format = useFormat();
  const time = (milliseconds: number) => format.duration(milliseconds < 10 ? milliseconds : Math.round(milliseconds));
  const end = endOf(call);
  const attempts = attemptsOf(call).map((attempt) => ({ ...attempt, spans: spansOf(call, attempt) }));
  return (
    <div className="stack">
      <ol className="calls-steps">
        <Step tone="idle" what={t.came} when={time(0)} />
        {attempts.map(({ entity, outcome, began_ms: began, duration_ms: took, spans }, index) => (
          <Step
            key={index}
            tone={outcome === "ok" ? "ok" : "bad"}
            what={
              <>
                {t.attempt(index + 1, entity)} <Badge tone={outcome === "ok" ? "ok" : "bad"}>{outcome === "ok" ? t.answered : outcome}</Badge>
              </>
            }
            when={began === null || took === null ? "" : t.span(time(began), time(took))}
            spans={spans}
          />
        ))}
        {call.first_byte_ms !== null && <Step tone="info" what={t.firstByte} when={time(call.first_byte_ms)} />}
        <Step tone={TONE_OF_END[end]} what={t.end[end]} when={time(call.duration_ms)} />
      </ol>
      <Legend kinds={new Set(attempts.flatMap(({ spans }) => spans.map(({ kind }) => kind)))} />
    </div>
  );
}

function Step({ tone, what, when, spans = [] }: { tone: Tone; what: ReactNode; when: string; spans?: readonly Span[] }) {
  return (
    <li>
      <span className={`dot ${tone}`} aria-hidden="true" />
      <span className="grow">{what}</span>
      <span className="nums faint">{when}</span>
      {spans.length > 0 && (
        <span className="calls-track" aria-hidden="true">
          {spans.map(({ kind, from, to }) => (
            <span key={kind} className={kind} style={{ insetInlineStart: `${from * 100}%`, width: `${(to - from) * 100}%` }} />
          ))}
        </span>
      )}
    </li>
  );
}

/** What the colours say, of those that are there. */
function Legend({ kinds }: { kinds: ReadonlySet<Span["kind"]> }) {
  const t = useT("calls").drawer;
  const shown = (["failed", "wait", "flow"] as const).filter((kind) => kinds.has(kind));
  return (
    <div className="row wrap calls-legend" aria-hidden="true">
      {shown.map((kind) => (
        <span key={kind} className="row">
          <span className={`calls-key ${kind}`} />
          {t.spans[kind]}
        </span>
      ))}
    </div>
  );
}
