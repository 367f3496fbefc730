/** One call: what happened when, and what was asked and answered where that is kept. */
import { type ReactNode, useState } from "react";
import { useLocation } from "wouter";
import { type Call, type CallDetail, useCall } from "~/api/calls";
import { part } from "~/api/client";
import { taskOf, useEndpointChoices } from "~/api/endpoint-choices";
import type { Body } from "~/api/invocations";
import { Badge } from "~/components/Badge";
import { Button, ButtonLink } from "~/components/Button";
import { CodeBlock, CopyLine } from "~/components/copy";
import { Drawer } from "~/components/Dialog";
import { pretty } from "~/components/query/AnswerView";
import { QueryDialog } from "~/components/query/QueryDialog";
import { replays } from "~/components/query/replays";
import { Translation } from "~/components/query/Translation";
import { Loaded } from "~/components/states";
import { useFormat, useT } from "~/i18n";
import { Ended } from "./Ended";
import { Timeline } from "./Timeline";

export function CallDrawer({ id, onClose }: { id: string | null; onClose(): void }) {
  const t = useT("calls").drawer;
  const call = useCall(id);
  return (
    <Drawer title={t.title} open={id !== null} onClose={onClose}>
      <Loaded query={call}>{(found) => <Content call={found} />}</Loaded>
    </Drawer>
  );
}

function Content({ call }: { call: CallDetail }) {
  const t = useT("calls").drawer;
  return (
    <div className="stack loose">
      <div className="row wrap between">
        <Ended call={call} />
        <span className="row wrap">
          <ButtonLink small href={`/endpoints/${part(call.endpoint)}`}>
            {t.endpointPage}
          </ButtonLink>
          <Replay call={call} />
        </span>
      </div>
      <Facts call={call} />
      <Section title={t.timeline}>
        <Timeline call={call} />
      </Section>
      <Section title={t.translation}>
        <Translation header={call.translation} />
      </Section>
      <Section title={t.payload}>
        <Payload call={call} />
      </Section>
    </div>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="stack">
      <h3>{title}</h3>
      {children}
    </section>
  );
}

function Facts({ call }: { call: Call }) {
  const t = useT("calls");
  const d = t.drawer;
  const format = useFormat();
  const facts: [string, ReactNode][] = [
    [d.requestId, <CopyLine key="id" text={call.request_id} label={d.requestId} />],
    [d.time, format.exact(call.time)],
    [d.user, call.user],
    [d.endpoint, call.endpoint],
    [d.entity, call.entity ?? d.nobody],
    [d.tokens, `${d.inOut(format.number(call.input_tokens), format.number(call.output_tokens))}${call.estimated ? ` (${t.estimated})` : ""}`],
    [d.cost, call.cost_usd === null ? t.unknownPrice : format.money(call.cost_usd)],
    [d.kind, call.stream ? d.streamed : d.whole],
  ];
  if (call.client_request_id !== null) facts.splice(1, 0, [d.clientRequestId, <CopyLine key="client" text={call.client_request_id} label={d.clientRequestId} />]);
  return (
    <dl className="facts" aria-label={d.facts}>
      {facts.map(([label, value]) => (
        <div key={label} style={{ display: "contents" }}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Payload({ call }: { call: CallDetail }) {
  const t = useT("calls").drawer;
  const { payload, payload_table: table, payload_problem: problem } = call;
  if (!payload) return <p className="muted">{problem ?? (table ? t.notYet(table) : t.noPayload)}</p>;
  return (
    <div className="stack">
      {payload.logging_error_codes.length > 0 && (
        <span className="row wrap">
          {payload.logging_error_codes.map((code) => (
            <Badge key={code} tone="warn">
              {code}
            </Badge>
          ))}
        </span>
      )}
      <Logged label={t.request} text={payload.request} />
      <Logged label={t.response} text={payload.response} />
    </div>
  );
}

function Logged({ label, text }: { label: string; text: string | null }) {
  const t = useT("calls").drawer;
  return (
    <div className="stack tight">
      <span className="field-label">{label}</span>
      {text === null ? <p className="muted">{t.tooLarge}</p> : <CodeBlock code={pretty(text)} label={label} wrap />}
    </div>
  );
}

function bodyIn(text: string | null | undefined): Body | null {
  try {
    const found: unknown = JSON.parse(text ?? "");
    return typeof found === "object" && found !== null && !Array.isArray(found) ? (found as Body) : null;
  } catch {
    return null;
  }
}

/** Chats go to the playground, everything else to the query dialog. */
function Replay({ call }: { call: CallDetail }) {
  const t = useT("calls").drawer;
  const [, navigate] = useLocation();
  const [open, setOpen] = useState(false);
  const endpoints = useEndpointChoices();
  const body = bodyIn(call.payload?.request);
  if (!body) return null;
  const task = endpoints.data?.endpoints?.find((each) => each.name === call.endpoint)?.task;
  const replay = () => {
    if (taskOf({ task }) !== "llm/v1/chat" || !Array.isArray(body["messages"])) return setOpen(true);
    replays.put({ endpoint: call.endpoint, body });
    navigate("/playground");
  };
  return (
    <>
      <Button small kind="primary" icon="play" onPress={replay}>
        {t.replay}
      </Button>
      <QueryDialog open={open} onClose={() => setOpen(false)} endpoint={call.endpoint} task={task} body={body} />
    </>
  );
}
