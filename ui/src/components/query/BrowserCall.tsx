/** A call from the browser: the body as JSON, the answer as it comes, and as it came. */
import { type ReactNode, useEffect, useRef, useState } from "react";
import { ask } from "~/api/answer";
import { type Answer, emptyAnswer } from "~/api/answer-reader";
import type { Body } from "~/api/invocations";
import { Badge } from "~/components/Badge";
import { Button } from "~/components/Button";
import { CopyButton } from "~/components/copy";
import { Segmented } from "~/components/fields";
import { JsonEditor } from "~/components/JsonEditor";
import { useFrames } from "~/components/use-frames";
import { useFormat, useT } from "~/i18n";
import { AnswerFault, Figures, pretty, ReadingView } from "./AnswerView";

/** Characters of a raw answer that are drawn; a browser is slow with megabytes of text. */
const SHOWN_LIVE = 8_000;
const SHOWN = 400_000;

export function BrowserCall({ endpoint, text, body, onChange, options }: { endpoint: string; text: string; body: Body | null; onChange(text: string): void; options: ReactNode }) {
  const t = useT("query");
  const call = useCall(endpoint);
  const send = () => body && void call.send(body);
  return (
    <div className="query-grid">
      <div
        className="stack"
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            send();
          }
        }}
      >
        <JsonEditor label={t.body} value={text} onChange={onChange} faults={call.answer?.failure?.faults} rows={14} />
        <div className="row wrap">
          {call.running ? (
            <Button kind="primary" icon="stop" onPress={call.stop}>
              {t.stop}
            </Button>
          ) : (
            <Button kind="primary" icon="send" isDisabled={!body} onPress={send}>
              {t.send}
            </Button>
          )}
          {options}
          <small className="faint">{t.sendHint}</small>
        </div>
      </div>
      <AnswerPane answer={call.answer} running={call.running} />
    </div>
  );
}

function useCall(endpoint: string) {
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [running, setRunning] = useState(false);
  const stop = useRef<AbortController | null>(null);
  const draw = useFrames();
  useEffect(() => () => stop.current?.abort(), []);
  const send = async (body: Body) => {
    stop.current?.abort();
    const mine = new AbortController();
    stop.current = mine;
    setRunning(true);
    setAnswer(emptyAnswer());
    let first = true;
    const onProgress = (now: Answer) => {
      if (stop.current !== mine) return;
      if (first) setAnswer(now);
      first = false;
      draw();
    };
    const done = await ask(endpoint, body, { signal: mine.signal, keepRaw: true, onProgress });
    if (stop.current !== mine) return;
    setAnswer(done);
    setRunning(false);
  };
  return { answer, running, send, stop: () => stop.current?.abort() };
}

function AnswerPane({ answer, running }: { answer: Answer | null; running: boolean }) {
  const t = useT("query");
  const [view, setView] = useState<"answer" | "raw">("answer");
  if (!answer) return <div className="query-screen faint">{t.noAnswerYet}</div>;
  return (
    <div className="query-answer" aria-busy={running}>
      <div className="row between wrap">
        <span className="row">
          {answer.status > 0 && <Badge tone={answer.status < 400 ? "ok" : "bad"}>{t.statusLine(answer.status)}</Badge>}
          {answer.stopped && <Badge>{t.stopped}</Badge>}
          {running && <span className="spinner" />}
        </span>
        <span className="row">
          {!running && answer.raw !== "" && <CopyButton text={() => answer.raw} />}
          <Segmented<"answer" | "raw"> label={t.view} value={view} onChange={setView} choices={[{ id: "answer", label: t.answer }, { id: "raw", label: t.raw }]} />
        </span>
      </div>
      {view === "raw" ? <Raw text={answer.raw} live={running} /> : <Said answer={answer} running={running} />}
      <Figures answer={answer} />
      {answer.headers.length > 0 && (
        <dl className="facts query-headers" aria-label={t.headers}>
          {answer.headers.map(([name, value]) => (
            <div key={name} style={{ display: "contents" }}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}

function Said({ answer, running }: { answer: Answer; running: boolean }) {
  const t = useT("query");
  const failed = answer.failure !== null && answer.status !== 200;
  return (
    <>
      {!failed && (
        <div className="query-screen" tabIndex={0} role="region" aria-label={t.answer}>
          <ReadingView reading={answer.reading} streaming={running} />
        </div>
      )}
      {!running && <AnswerFault answer={answer} />}
    </>
  );
}

function Raw({ text, live }: { text: string; live: boolean }) {
  const t = useT("query");
  const format = useFormat();
  const most = live ? SHOWN_LIVE : SHOWN;
  const cut = text.length > most;
  return (
    <>
      <div className="query-screen raw" tabIndex={0} role="region" aria-label={t.raw}>
        <pre>{cut ? text.slice(-most) : live ? text : pretty(text)}</pre>
      </div>
      {cut && <small className="faint">{live ? t.tail : t.tooLong(format.bytes(most), format.bytes(text.length))}</small>}
    </>
  );
}
