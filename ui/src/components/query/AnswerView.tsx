/** What came of one call: text as Markdown, reasoning folded, tool calls, figures, and errors as errors. */
import { lazy, Suspense } from "react";
import { type Answer, type Reading, type ToolCall, tokensPerSecond } from "~/api/answer-reader";
import { Badge } from "~/components/Badge";
import { CodeBlock } from "~/components/copy";
import { Banner, ErrorNote } from "~/components/states";
import { useFormat, useT } from "~/i18n";
import "./query.css";

const Markdown = lazy(() => import("~/components/Markdown"));

/** JSON as people read it; what is none stays as it is. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function MarkdownText({ text }: { text: string }) {
  return (
    <Suspense fallback={<p className="break query-plain">{text}</p>}>
      <Markdown text={text} />
    </Suspense>
  );
}

export function Reasoning({ text, open }: { text: string; open: boolean }) {
  const t = useT("query");
  if (!text) return null;
  return (
    // While only reasoning comes it is shown; once the answer begins it folds itself.
    <details className="query-reasoning" open={open}>
      <summary>{t.reasoning}</summary>
      <div className="query-plain">{text}</div>
    </details>
  );
}

export function ToolCalls({ calls }: { calls: readonly ToolCall[] }) {
  const t = useT("query");
  return (
    <>
      {calls.map((call, index) => (
        <div key={call.id || index} className="stack tight">
          <span className="row">
            <Badge tone="info">{call.name || "?"}</Badge>
            <small className="faint mono truncate">{call.id}</small>
          </span>
          <CodeBlock code={pretty(call.arguments)} label={`${t.toolCalls}: ${call.name}`} wrap />
        </div>
      ))}
    </>
  );
}

/** `silent`: says nothing where there is nothing, because something else tells why. */
export function ReadingView({ reading, streaming, silent }: { reading: Reading; streaming: boolean; silent?: boolean }) {
  const t = useT("query");
  const { text, refusal, vectors } = reading;
  const calls = reading.toolCalls.filter(Boolean);
  const nothing = !text && !refusal && !calls.length && !reading.reasoning && !vectors;
  return (
    <div className="stack">
      <Reasoning text={reading.reasoning} open={streaming && !text} />
      {(text || refusal) && <MarkdownText text={text || refusal} />}
      {calls.length > 0 && <ToolCalls calls={calls} />}
      {vectors && <p>{t.vectors(vectors.count, vectors.length)}</p>}
      {nothing && (streaming ? <p className="faint query-waiting">{t.waiting}</p> : !silent && !reading.error && <p className="faint">{t.nothingSaid}</p>)}
    </div>
  );
}

/** What went wrong, wherever in the call it was. */
export function AnswerFault({ answer, retry }: { answer: Answer; retry?: () => void }) {
  const t = useT("query");
  const { failure, reading } = answer;
  if (failure?.code === "CUT_OFF") return <Banner tone="bad">{t.cutOff}</Banner>;
  if (failure) return <ErrorNote error={failure} retry={retry} />;
  if (!reading.error) return null;
  return (
    <Banner tone="bad">
      <strong>{t.inStream}</strong>
      <span className="break">
        <code>{reading.error.code}</code> {reading.error.message}
      </span>
    </Banner>
  );
}

export function Figures({ answer }: { answer: Answer }) {
  const t = useT("query").figures;
  const format = useFormat();
  const speed = tokensPerSecond(answer);
  const usage = answer.reading.usage;
  const shown: [string, string][] = [];
  if (answer.firstMs !== null) shown.push([t.first, format.duration(Math.round(answer.firstMs))]);
  if (answer.totalMs !== null) shown.push([t.total, format.duration(Math.round(answer.totalMs))]);
  if (speed !== null) shown.push([t.speed, format.number(speed, { maximumFractionDigits: 1 })]);
  if (usage?.prompt_tokens !== undefined) shown.push([t.input, format.number(usage.prompt_tokens)]);
  if (usage?.completion_tokens !== undefined) shown.push([t.output, format.number(usage.completion_tokens)]);
  if (!shown.length) return null;
  return (
    <dl className="query-figures">
      {shown.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
