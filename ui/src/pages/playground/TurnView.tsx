/** One turn of a conversation and what can be done with it. */
import { memo, type ReactNode, useState } from "react";
import { openToolCalls, siblingsOf, type AssistantTurn, type ToolTurn, type Tree, type Turn, type UserTurn } from "./tree";
import { Badge } from "~/components/Badge";
import { Button, IconButton } from "~/components/Button";
import { CodeBlock, CopyButton } from "~/components/copy";
import { TextField } from "~/components/fields";
import { AnswerFault, Figures, pretty, ReadingView } from "~/components/query/AnswerView";
import { useT } from "~/i18n";
import { playground, useLiveTurn } from "./store";

interface Place {
  laneId: string;
  tree: Tree;
  running: boolean;
  /** The last of the turns that are shown. */
  last: boolean;
}

interface Shown<T extends Turn> extends Place {
  turn: T;
  onDetails(turn: AssistantTurn): void;
}

export const TurnView = memo(
  function TurnView(props: Shown<Turn>) {
    const { turn } = props;
    if (turn.role === "user") return <Question {...props} turn={turn} />;
    if (turn.role === "tool") return <Results {...props} turn={turn} />;
    return <Reply {...props} turn={turn} />;
  },
  // A conversation of hundreds of turns: only those that changed are drawn again.
  (before, after) =>
    before.turn === after.turn && before.running === after.running && before.last === after.last && siblingsOf(before.tree, before.turn).ids === siblingsOf(after.tree, after.turn).ids,
);

function Branches({ laneId, tree, turn }: { laneId: string; tree: Tree; turn: Turn }) {
  const t = useT("playground");
  const { ids, index } = siblingsOf(tree, turn);
  if (ids.length < 2) return null;
  return (
    <span className="row playground-branches">
      <IconButton small icon="left" label={t.previousBranch} isDisabled={index === 0} onPress={() => playground.step(laneId, turn, -1)} />
      <span className="nums" aria-label={t.branch(index + 1, ids.length)} role="img">
        {index + 1}/{ids.length}
      </span>
      <IconButton small icon="right" label={t.nextBranch} isDisabled={index === ids.length - 1} onPress={() => playground.step(laneId, turn, 1)} />
    </span>
  );
}

function Frame({ who, tone, children, tools, foot }: { who: string; tone: "user" | "assistant" | "tool"; children: ReactNode; tools: ReactNode; foot?: ReactNode }) {
  return (
    <article className={`playground-turn ${tone}`} aria-label={who}>
      <div className="playground-who">{who}</div>
      <div className="playground-said">{children}</div>
      <div className="playground-foot">
        {foot}
        <span className="row playground-tools">{tools}</span>
      </div>
    </article>
  );
}

function Question(props: Shown<UserTurn>) {
  const { laneId, turn } = props;
  const t = useT("playground");
  const words = useT("components");
  const [draft, setDraft] = useState<string | null>(null);
  const send = () => {
    if (draft === null || !draft.trim()) return;
    playground.edit(laneId, turn, draft.trim(), turn.images);
    setDraft(null);
  };
  const tools = (
    <>
      <Branches {...props} />
      {turn.text && <CopyButton text={turn.text} label={t.copy} />}
      <IconButton small icon="edit" label={t.edit} onPress={() => setDraft(turn.text)} />
    </>
  );
  if (draft !== null)
    return (
      <div className="playground-turn user editing">
        <TextField label={t.editLabel} hideLabel value={draft} onChange={setDraft} rows={Math.min(12, draft.split("\n").length + 1)} autoFocus />
        <div className="row end">
          <Button small onPress={() => setDraft(null)}>
            {words.cancel}
          </Button>
          <Button small kind="primary" icon="branch" isDisabled={!draft.trim()} onPress={send}>
            {t.sendEdited}
          </Button>
        </div>
      </div>
    );
  return (
    <Frame who={t.you} tone="user" tools={tools}>
      {turn.images.length > 0 && (
        <div className="row wrap">
          {turn.images.map((url, index) => (
            <img key={index} className="playground-image" src={url} alt={t.image(index + 1)} />
          ))}
        </div>
      )}
      {turn.text && <p className="playground-text">{turn.text}</p>}
    </Frame>
  );
}

function Results(props: Shown<ToolTurn>) {
  const t = useT("playground");
  return (
    <Frame who={t.toolResults} tone="tool" tools={<Branches {...props} />}>
      {props.turn.results.map(({ id, name, text }) => (
        <div key={id} className="stack tight">
          <span className="row">
            <Badge tone="info">{name || id}</Badge>
          </span>
          <CodeBlock code={pretty(text)} label={t.toolResult(name || id)} wrap />
        </div>
      ))}
    </Frame>
  );
}

function Reply(props: Shown<AssistantTurn>) {
  const { laneId, turn, running, last, onDetails } = props;
  const t = useT("playground");
  useLiveTurn(turn.id, running);
  const { answer } = turn;
  const model = answer.headers.find(([name]) => name === "served-model-name")?.[1];
  const failed = answer.failure !== null && !answer.reading.text;
  const ended = { length: t.length, content_filter: t.filtered }[answer.reading.finishReason ?? ""];
  const calls = last ? openToolCalls(turn) : [];
  const tools = running ? null : (
    <>
      <Branches {...props} />
      {answer.reading.text && <CopyButton text={answer.reading.text} label={t.copy} />}
      <IconButton small icon="refresh" label={t.again} onPress={() => playground.again(laneId, turn.parent)} />
      <IconButton small icon="info" label={t.details} onPress={() => onDetails(turn)} />
    </>
  );
  return (
    <Frame who={model && model !== turn.endpoint ? `${turn.endpoint} · ${model}` : turn.endpoint || t.model} tone="assistant" tools={tools} foot={!running && <Figures answer={answer} />}>
      {!failed && <ReadingView reading={answer.reading} streaming={running} silent={answer.stopped || answer.failure !== null} />}
      {!running && <AnswerFault answer={answer} retry={() => playground.again(laneId, turn.parent)} />}
      {!running && (answer.stopped || ended) && (
        <p className="faint">
          <small>{answer.stopped ? t.stopped : ended}</small>
        </p>
      )}
      {calls.length > 0 && <ToolAnswers laneId={laneId} turn={turn} calls={calls} />}
    </Frame>
  );
}

function ToolAnswers({ laneId, turn, calls }: { laneId: string; turn: AssistantTurn; calls: { id: string; name: string }[] }) {
  const t = useT("playground");
  const [texts, setTexts] = useState<Record<number, string>>({});
  const send = () => playground.giveResults(laneId, turn.id, calls.map(({ id, name }, index) => ({ id, name, text: texts[index] ?? "" })));
  return (
    <div className="stack playground-tool-form">
      <strong>{t.toolAsk(calls.length)}</strong>
      {calls.map((call, index) => (
        <TextField key={call.id || index} label={t.toolResult(call.name)} value={texts[index] ?? ""} onChange={(text) => setTexts({ ...texts, [index]: text })} rows={3} mono />
      ))}
      <div className="row end">
        <Button small kind="primary" icon="send" onPress={send}>
          {t.toolSend}
        </Button>
      </div>
    </div>
  );
}
