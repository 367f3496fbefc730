/** One endpoint and the conversation with it. */
import { memo, useEffect, useRef, useState } from "react";
import type { EndpointChoice } from "~/api/endpoint-choices";
import { taskOf } from "~/api/endpoint-choices";
import { Button, IconButton } from "~/components/Button";
import { Select } from "~/components/fields";
import { QueryDialog } from "~/components/query/QueryDialog";
import { Banner } from "~/components/states";
import { useT } from "~/i18n";
import { type Lane, playground } from "./store";
import { TurnView } from "./TurnView";
import { type AssistantTurn, pathOf } from "./tree";

interface LaneProps {
  lane: Lane;
  /** From 1, where there are several. */
  number?: number;
  endpoints: readonly EndpointChoice[];
  running: ReadonlySet<string>;
  /** Undefined where it is the only one. */
  onRemove?: () => void;
  onDetails(turn: AssistantTurn): void;
  onSuggestion(text: string): void;
}

export function LaneView({ lane, number, endpoints, running, onRemove, onDetails, onSuggestion }: LaneProps) {
  const t = useT("playground");
  const turns = pathOf(lane.tree);
  const last = turns.at(-1);
  const busy = turns.some((turn) => running.has(turn.id));
  const here = endpoints.find((each) => each.name === lane.endpoint);
  const scroll = useEnd(turns.length);
  const name = number === undefined ? lane.endpoint : `${lane.endpoint} (${number})`;
  return (
    <div className="playground-lane" role="group" aria-label={name}>
      <div className="playground-lane-head">
        <EndpointSelect laneId={lane.id} endpoint={lane.endpoint} endpoints={endpoints} />
        {onRemove && <IconButton small icon="close" label={t.removeEndpoint(lane.endpoint)} onPress={onRemove} />}
      </div>
      <div className="playground-scroll" ref={scroll.box} onScroll={scroll.onScroll} tabIndex={0} role="region" aria-label={t.messages(name)} aria-busy={busy}>
        <div className="playground-turns" ref={scroll.content}>
          <LaneNote lane={lane} here={here} />
          {turns.map((turn) => (
            <TurnView key={turn.id} turn={turn} tree={lane.tree} laneId={lane.id} running={running.has(turn.id)} last={turn === last} onDetails={onDetails} />
          ))}
          {last && last.role !== "assistant" && !busy && (
            <div>
              <Button icon="play" onPress={() => playground.again(lane.id, last.id)}>
                {t.answerNow}
              </Button>
            </div>
          )}
          {!last && here && taskOf(here) === "llm/v1/chat" && (
            <div className="playground-start">
              <p>{t.start}</p>
              {t.suggestions.map((text) => (
                <Button key={text} onPress={() => onSuggestion(text)}>
                  {text}
                </Button>
              ))}
            </div>
          )}
        </div>
      </div>
      {scroll.away && (
        <div className="playground-to-end">
          <Button small icon="chevron" onPress={scroll.toEnd}>
            {t.toEnd}
          </Button>
        </div>
      )}
      <p className="sr-only" role="status">
        {busy ? t.answering : last?.role === "assistant" ? t.answered : ""}
      </p>
    </div>
  );
}

/** Drawn again only when it changes: there may be a thousand endpoints, and somebody types beside it. */
const EndpointSelect = memo(function EndpointSelect({ laneId, endpoint, endpoints }: { laneId: string; endpoint: string; endpoints: readonly EndpointChoice[] }) {
  const t = useT("playground");
  const choices = endpoints.filter((each) => taskOf(each) === "llm/v1/chat" || each.name === endpoint).map(({ name }) => ({ id: name, label: name }));
  if (endpoint && !choices.some((choice) => choice.id === endpoint)) choices.unshift({ id: endpoint, label: endpoint });
  return (
    <div className="grow">
      <Select label={t.endpoint} hideLabel value={endpoint || null} onChange={(name) => playground.setEndpoint(laneId, name)} choices={choices} />
    </div>
  );
});

/** Why an endpoint cannot be talked with. */
function LaneNote({ lane, here }: { lane: Lane; here: EndpointChoice | undefined }) {
  const t = useT("playground");
  const [open, setOpen] = useState(false);
  if (!lane.endpoint) return null;
  if (!here) return <Banner tone="warn">{t.gone(lane.endpoint)}</Banner>;
  if (taskOf(here) === "llm/v1/chat") return null;
  return (
    <>
      <Banner tone="warn" action={<Button small onPress={() => setOpen(true)}>{t.notChatAction}</Button>}>
        {t.notChat(lane.endpoint)}
      </Banner>
      <QueryDialog open={open} onClose={() => setOpen(false)} endpoint={lane.endpoint} task={here.task} />
    </>
  );
}

/** Keeps the end in sight while it grows, unless the reader went up to read. `key`: something was asked, so go to the end. */
function useEnd(key: number) {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const stuck = useRef(true);
  const before = useRef(0);
  const [away, setAway] = useState(false);
  const toEnd = () => {
    stuck.current = true;
    setAway(false);
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  useEffect(() => {
    const [outer, inner] = [box.current, content.current];
    if (!outer || !inner) return;
    const sizes = new ResizeObserver(() => {
      if (stuck.current) outer.scrollTop = outer.scrollHeight;
    });
    sizes.observe(inner);
    return () => sizes.disconnect();
  }, []);
  useEffect(toEnd, [key]);
  const onScroll = () => {
    const outer = box.current;
    if (!outer) return;
    // The end may have moved on since this was told, so being away from it says nothing: going up does.
    if (outer.scrollHeight - outer.scrollTop - outer.clientHeight < 48) stuck.current = true;
    else if (outer.scrollTop < before.current) stuck.current = false;
    before.current = outer.scrollTop;
    setAway(!stuck.current);
  };
  return { box, content, away, toEnd, onScroll };
}
