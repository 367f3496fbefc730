/** Talking with one to four endpoints. `?endpoint=a,b` says with whom, `?settings=0` hides the settings. */
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { taskOf, useEndpointChoices, type EndpointChoice } from "~/api/endpoint-choices";
import { useQueryState } from "~/app/query-state";
import { Button, ButtonLink, type ButtonProps, IconButton } from "~/components/Button";
import type { IconName } from "~/components/Icon";
import { Drawer } from "~/components/Dialog";
import { Menu } from "~/components/Menu";
import { Page } from "~/components/Page";
import { QueryDialog } from "~/components/query/QueryDialog";
import { replays } from "~/components/query/replays";
import { EmptyState, Loaded } from "~/components/states";
import { useT } from "~/i18n";
import { CallDrawer } from "./CallDrawer";
import { Composer } from "./Composer";
import { LaneView } from "./LaneView";
import { bodyOf } from "./settings";
import { countOf, SettingsPanel } from "./SettingsPanel";
import { type Conversation, MOST_LANES, playground, titleOf, usePlayground } from "./store";
import { type AssistantTurn, messagesOf, pathOf } from "./tree";
import "./playground.css";

export default function PlaygroundPage() {
  const t = useT("playground");
  const endpoints = useEndpointChoices();
  return (
    <Loaded query={endpoints}>
      {({ endpoints: found = [] }) =>
        found.length ? (
          <Talk endpoints={found} />
        ) : (
          <Page title={t.title} help={t.help}>
            <EmptyState title={t.none.title} action={<ButtonLink kind="primary" icon="plus" href="/endpoints?new=1">{t.none.action}</ButtonLink>} command="cloche serve --endpoint my-endpoint=smollm2-135m-instruct">
              {t.none.help}
            </EmptyState>
          </Page>
        )
      }
    </Loaded>
  );
}

function Talk({ endpoints }: { endpoints: readonly EndpointChoice[] }) {
  const t = useT("playground");
  const { current, kept, running } = usePlayground();
  const query = useQueryState();
  const wide = useWide();
  const [text, setText] = useState("");
  const [details, setDetails] = useState<AssistantTurn | null>(null);
  const [code, setCode] = useState(false);
  const [drawer, setDrawer] = useState(false);
  useLanesInAddress(current, endpoints);
  const names = current.lanes.map((lane) => lane.endpoint);
  const busy = current.lanes.some((lane) => pathOf(lane.tree).some((turn) => running.has(turn.id)));
  useEscape(busy);
  const aside = wide && query.get("settings") !== "0";
  const toggle = () => (wide ? query.set({ settings: aside ? "0" : null }) : setDrawer(true));
  const first = current.lanes[0];
  const set = countOf(current.settings);
  const actions = (
    <>
      <Conversations current={current} kept={kept} />
      <Action icon="plus" label={t.addEndpoint} isDisabled={current.lanes.length >= MOST_LANES} onPress={() => playground.setEndpoints([...names, another(endpoints, names)])} />
      <Action icon="code" label={t.code} isDisabled={!first} onPress={() => setCode(true)} />
      <Action icon="sliders" label={set ? `${t.settings} · ${t.panel.count(set)}` : t.settings} onPress={toggle} />
    </>
  );
  return (
    <div className="playground">
      <Page title={t.title} actions={actions}>
        <div className="playground-body">
          <div className="playground-talk">
            <div className="playground-lanes" style={{ ["--lanes" as string]: current.lanes.length }}>
              {current.lanes.map((lane, index) => (
                <LaneView
                  key={lane.id}
                  lane={lane}
                  number={current.lanes.length > 1 ? index + 1 : undefined}
                  endpoints={endpoints}
                  running={running}
                  onRemove={current.lanes.length > 1 ? () => playground.removeLane(lane.id) : undefined}
                  onDetails={setDetails}
                  onSuggestion={(asked) => playground.send(asked, [])}
                />
              ))}
            </div>
            <Composer running={busy} disabled={!first || current.lanes.every((lane) => !chats(endpoints).some((each) => each.name === lane.endpoint))} text={text} onText={setText} />
          </div>
          {aside && (
            <aside className="playground-settings card" aria-label={t.settings} tabIndex={0}>
              <SettingsPanel settings={current.settings} />
            </aside>
          )}
        </div>
      </Page>
      <Drawer title={t.settings} open={drawer && !wide} onClose={() => setDrawer(false)}>
        <SettingsPanel settings={current.settings} />
      </Drawer>
      <CallDrawer turn={details} onClose={() => setDetails(null)} />
      {first && code && <Code conversation={current} text={text} endpoints={endpoints} onClose={() => setCode(false)} />}
    </div>
  );
}

/** On a phone its icon alone is shown. */
function Action({ label, ...rest }: ButtonProps & { label: string; icon: IconName }) {
  return (
    <Button {...rest} aria-label={label}>
      <span className="playground-word">{label}</span>
    </Button>
  );
}

/** The program that sends what would be sent now. */
function Code({ conversation, text, endpoints, onClose }: { conversation: Conversation; text: string; endpoints: readonly EndpointChoice[]; onClose(): void }) {
  const { lanes, settings } = conversation;
  const lane = lanes[0];
  const words = useT("query");
  if (!lane) return null;
  const said = pathOf(lane.tree);
  const asked = text.trim() || (said.length ? "" : words.question);
  // With nothing new to ask, it is the last question once more.
  const turns = !asked && said.at(-1)?.role === "assistant" ? said.slice(0, -1) : said;
  const messages = [...messagesOf(turns, settings.system), ...(asked ? [{ role: "user", content: asked }] : [])];
  const task = endpoints.find((each) => each.name === lane.endpoint)?.task;
  return <QueryDialog open onClose={onClose} endpoint={lane.endpoint} task={task} body={bodyOf(settings, messages).body} />;
}

function Conversations({ current, kept }: { current: Conversation; kept: readonly Conversation[] }) {
  const t = useT("playground");
  const others = kept.map((each) => ({ id: each.id, label: titleOf(each) || t.untitled, icon: "playground" as const, onAction: () => playground.open(each.id) }));
  const nothing = { id: "none", label: t.noHistory, disabled: true, onAction: () => undefined };
  const entries = [...(others.length ? others : [nothing]), { id: "forget", label: t.forget, icon: "trash" as const, danger: true, disabled: !titleOf(current), onAction: playground.forget }];
  return (
    <>
      <Action icon="edit" label={t.new} onPress={playground.begin} />
      <Menu label={t.history} heading={t.history} entries={entries} trigger={<IconButton kind="default" icon="history" label={t.history} />} />
    </>
  );
}

const chats = (endpoints: readonly EndpointChoice[]) => endpoints.filter((each) => taskOf(each) === "llm/v1/chat");

/** One that is not there yet, or else the last one again: two answers of one model differ as well. */
function another(endpoints: readonly EndpointChoice[], names: readonly string[]): string {
  return chats(endpoints).find((each) => !names.includes(each.name))?.name ?? names.at(-1) ?? "";
}

/** The address says whom one talks with, when the page opens; from then on it follows. */
function useLanesInAddress(current: Conversation, endpoints: readonly EndpointChoice[]): void {
  const query = useQueryState();
  const opened = useRef(false);
  const names = current.lanes.map((lane) => lane.endpoint).join(",");
  useEffect(() => {
    if (!opened.current) {
      opened.current = true;
      const replay = replays.take();
      const asked = query.get("endpoint")?.split(",").filter(Boolean) ?? [];
      if (replay) playground.replay(replay);
      else if (asked.length) playground.setEndpoints(asked);
      else if (!current.lanes.length) playground.setEndpoints([another(endpoints, []) || (endpoints[0]?.name ?? "")]);
      return;
    }
    if (names && names !== query.get("endpoint")) query.set({ endpoint: names });
  }, [names, query, current.lanes.length, endpoints]);
}

function useEscape(busy: boolean): void {
  useEffect(() => {
    if (!busy) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.isComposing && !document.querySelector(".modal-overlay")) playground.stop();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [busy]);
}

const WIDE = "(min-width: 72rem)";

function useWide(): boolean {
  return useSyncExternalStore(
    (listener) => {
      const media = matchMedia(WIDE);
      media.addEventListener("change", listener);
      return () => media.removeEventListener("change", listener);
    },
    () => matchMedia(WIDE).matches,
  );
}
