/** One endpoint, seven ways to call it: here in the browser, or as a program. */
import { useState } from "react";
import { taskOf } from "~/api/endpoint-choices";
import type { Body } from "~/api/invocations";
import { session } from "~/api/session";
import { Button } from "~/components/Button";
import { CodeBlock } from "~/components/copy";
import { Switch } from "~/components/fields";
import { Banner } from "~/components/states";
import { Tabs } from "~/components/Tabs";
import { useT } from "~/i18n";
import { BrowserCall } from "./BrowserCall";
import { type Ask, exampleBody, type Language, LANGUAGES, snippet } from "./snippets";

export interface QueryPanelProps {
  endpoint: string;
  /** As the server tells it. */
  task?: string;
  /** What to begin with in place of the example. */
  body?: Body;
}

/** The tab stands in the query string as `client`. */
export function QueryPanel({ endpoint, task: told, body: given }: QueryPanelProps) {
  const t = useT("query");
  const task = taskOf({ task: told });
  const example = () => exampleBody(task, t);
  const [text, setText] = useState(() => written(given ?? example()));
  const [last, setLast] = useState<Body>(() => given ?? example());
  const change = (next: string) => {
    setText(next);
    const body = bodyIn(next);
    if (body) setLast(body);
  };
  const body = bodyIn(text);
  const setStream = (on: boolean) => {
    const { stream: _, ...rest } = last;
    change(written(on ? { ...rest, stream: true } : rest));
  };
  const ask = { host: window.location.origin, endpoint, task, body: last };
  const options = (
    <>
      {task !== "llm/v1/embeddings" && <Switch label={t.stream} on={last["stream"] === true} onChange={setStream} disabled={!body} />}
      <Button kind="quiet" small onPress={() => change(written(example()))}>
        {t.example}
      </Button>
    </>
  );
  const tabs = [
    { id: "browser", label: t.tabs.browser, content: <BrowserCall {...{ endpoint, text, body, options }} onChange={change} /> },
    ...LANGUAGES.map((language) => ({ id: language, label: t.tabs[language], content: <Program language={language} ask={ask} stale={!body} /> })),
  ];
  return <Tabs label={t.label} tabs={tabs} name="client" />;
}

function written(body: Body): string {
  return JSON.stringify(body, null, 2);
}

function bodyIn(text: string): Body | null {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null && !Array.isArray(found) ? (found as Body) : null;
  } catch {
    return null;
  }
}

function Program({ language, ask, stale }: { language: Language; ask: Omit<Ask, "token">; stale: boolean }) {
  const t = useT("query");
  const [shown, setShown] = useState(false);
  const token = shown ? session.token() : null;
  const code = snippet(language, { ...ask, token });
  if (code === null) return <Banner tone="info">{t.cliChatOnly}</Banner>;
  const messages = ask.body["messages"];
  const alone = Object.keys(ask.body).every((name) => name === "messages" || name === "stream") && Array.isArray(messages) && messages.length === 1;
  return (
    <div className="stack">
      <div className="query-token">
        <strong>{t.token}</strong>
        <code>{token === null ? "dapi••••••••" : `${token.slice(0, 8)}…`}</code>
        <span className="grow">{token === null ? t.tokenMasked : t.tokenShown}</span>
        <Button small icon="eye" onPress={() => setShown(!shown)}>
          {shown ? t.mask : t.reveal}
        </Button>
      </div>
      <CodeBlock code={code} label={`${t.code}: ${t.tabs[language]}`} />
      <div className="stack tight faint query-headers">
        <code>{t.needs[language]}</code>
        {language === "databricks" && ask.body["stream"] === true && <span>{t.sdkNoStream}</span>}
        {language === "cli" && !alone && <span>{t.cliPromptOnly}</span>}
        {stale && <span>{t.fixBody}</span>}
      </div>
    </div>
  );
}
