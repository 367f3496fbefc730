/** Everything about one call: the exact request, what a provider is sent for it, what was translated, the whole answer. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { type Body, upstreamRequest, type UpstreamRequest } from "~/api/invocations";
import { useQueryState } from "~/app/query-state";
import { Button } from "~/components/Button";
import { CodeBlock } from "~/components/copy";
import { Drawer } from "~/components/Dialog";
import { QueryDialog } from "~/components/query/QueryDialog";
import { Translation } from "~/components/query/Translation";
import { ErrorNote } from "~/components/states";
import { Tabs } from "~/components/Tabs";
import { useT } from "~/i18n";
import type { AssistantTurn } from "./tree";

export function CallDrawer({ turn, onClose }: { turn: AssistantTurn | null; onClose(): void }) {
  const t = useT("playground").drawer;
  const query = useQueryState();
  const close = () => {
    query.set({ shown: null });
    onClose();
  };
  return (
    <Drawer title={t.title} open={turn !== null} onClose={close}>
      {turn && <Content turn={turn} />}
    </Drawer>
  );
}

function Content({ turn }: { turn: AssistantTurn }) {
  const t = useT("playground").drawer;
  const translation = headerOf(turn, "cloche-translation");
  const tabs = [
    { id: "request", label: t.request, content: <Request turn={turn} /> },
    { id: "upstream", label: t.upstream, content: turn.request ? <Upstream turn={turn} body={turn.request} /> : <p className="muted">{t.noRequest}</p> },
    { id: "translation", label: t.translation, content: <Translation header={translation} /> },
    { id: "answer", label: t.answer, content: <Whole turn={turn} /> },
  ];
  return <Tabs label={t.label} tabs={tabs} name="shown" />;
}

const headerOf = (turn: AssistantTurn, name: string): string | null => turn.answer.headers.find(([each]) => each === name)?.[1] ?? null;

function Request({ turn }: { turn: AssistantTurn }) {
  const t = useT("playground");
  const [open, setOpen] = useState(false);
  if (!turn.request) return <p className="muted">{t.drawer.noRequest}</p>;
  return (
    <div className="stack">
      <div className="row between wrap">
        <p className="muted">{t.drawer.requestHelp}</p>
        <Button small onPress={() => setOpen(true)}>
          {t.code}
        </Button>
      </div>
      <CodeBlock code={JSON.stringify(turn.request, null, 2)} label={t.drawer.request} wrap />
      <QueryDialog open={open} onClose={() => setOpen(false)} endpoint={turn.endpoint} body={turn.request} />
    </div>
  );
}

function Upstream({ turn, body }: { turn: AssistantTurn; body: Body }) {
  const t = useT("playground").drawer;
  const entity = headerOf(turn, "served-model-name") ?? undefined;
  const asked = useMutation({ mutationFn: () => upstreamRequest(turn.endpoint, body, entity) });
  return (
    <div className="stack">
      <p className="muted">{t.upstreamHelp}</p>
      {!asked.data && (
        <div>
          <Button kind="primary" busy={asked.isPending} onPress={() => asked.mutate()}>
            {t.ask}
          </Button>
        </div>
      )}
      {asked.error && <ErrorNote error={asked.error} />}
      {asked.data && <UpstreamView request={asked.data} />}
    </div>
  );
}

export function UpstreamView({ request }: { request: UpstreamRequest }) {
  const t = useT("playground").drawer;
  const body = typeof request.body === "string" ? request.body : JSON.stringify(request.body, null, 2);
  return (
    <div className="stack">
      <dl className="facts">
        <dt>{t.entity}</dt>
        <dd>{request.entity}</dd>
        <dt>{t.provider}</dt>
        <dd>{request.provider}</dd>
        <dt>{t.url}</dt>
        <dd>
          <code>
            {request.method} {request.url}
          </code>
        </dd>
      </dl>
      <Labelled label={t.headers} code={Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`).join("\n") || "–"} />
      <Labelled label={t.body} code={body} />
      {request.translation && <Translation header={request.translation} />}
    </div>
  );
}

function Labelled({ label, code }: { label: string; code: string }) {
  return (
    <div className="stack tight">
      <span className="field-label" aria-hidden="true">
        {label}
      </span>
      <CodeBlock code={code} label={label} wrap />
    </div>
  );
}

function Whole({ turn }: { turn: AssistantTurn }) {
  const t = useT("playground").drawer;
  const { headers, status, reading } = turn.answer;
  return (
    <div className="stack">
      <Labelled label={t.headers} code={[`status: ${status}`, ...headers.map(([name, value]) => `${name}: ${value}`)].join("\n")} />
      <Labelled label={t.whole} code={JSON.stringify(reading, null, 2)} />
    </div>
  );
}
