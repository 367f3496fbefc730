/** What may be asked and answered, with a bench to try the rules before they are saved. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "~/api/client";
import { endpointPath, type Guards } from "~/api/endpoints";
import { Badge, type Tone } from "~/components/Badge";
import { Button } from "~/components/Button";
import { Segmented, Select, Switch, TextField } from "~/components/fields";
import { ErrorNote } from "~/components/states";
import { useFormat, useT } from "~/i18n";
import { without } from "../config/paths";
import { faultAt, type RulesProps } from "./GatewayTab";
import { type Judge, JudgeForm } from "./JudgeForm";
import { Section } from "./Section";

type Side = "input" | "output";

export function Guardrails({ rules, onChange, faults, disabled, endpoint }: RulesProps & { endpoint: string }) {
  const t = useT("endpoints").gateway.guardrails;
  const guardrails = rules.guardrails ?? {};
  const set = (side: Side, guards: Guards) => {
    const next = Object.keys(guards).length ? { ...guardrails, [side]: guards } : without(guardrails, side);
    onChange(Object.keys(next).length ? { ...rules, guardrails: next } : without(rules, "guardrails"));
  };
  const setJudge = (judge: Judge | undefined) => {
    const next = judge ? { ...guardrails, judge: { ...judge } } : without(guardrails, "judge");
    onChange(Object.keys(next).length ? { ...rules, guardrails: next } : without(rules, "guardrails"));
  };
  const judge = guardrails.judge as Judge | undefined;
  return (
    <Section title={t.title} help={t.help} on disabled={disabled}>
      <div className="gateway-sides">
        {(["input", "output"] as const).map((side) => (
          <SideForm key={side} side={side} guards={guardrails[side] ?? {}} onChange={(guards) => set(side, guards)} fault={(name) => faultAt(faults, `guardrails.${side}.${name}`)} disabled={disabled} />
        ))}
      </div>
      <JudgeForm judge={judge} onChange={setJudge} fault={(name) => faultAt(faults, `guardrails.judge.${name}`)} disabled={disabled} endpoint={endpoint} />
      <Bench endpoint={endpoint} rules={guardrails} judge={judge} />
    </Section>
  );
}

interface SideFormProps {
  side: Side;
  guards: Guards;
  onChange(guards: Guards): void;
  fault(name: string): string | null;
  disabled: boolean;
}

function SideForm({ side, guards, onChange, fault, disabled }: SideFormProps) {
  const t = useT("endpoints").gateway.guardrails;
  const behaviors = ["NONE", "MASK", "BLOCK"] as const;
  const put = (name: keyof Guards, value: unknown) => onChange(value === undefined ? without(guards, name) : { ...guards, [name]: value });
  return (
    <fieldset className="stack" style={{ border: 0, padding: 0, margin: 0 }}>
      <legend className="field-label">{t.sides[side]}</legend>
      <Select label={t.pii} value={guards.pii?.behavior ?? "NONE"} onChange={(id) => put("pii", id === "NONE" ? undefined : { ...guards.pii, behavior: id })} choices={behaviors.map((id) => ({ id, label: t.behaviors[id] }))} disabled={disabled} error={fault("pii")} />
      {guards.pii?.behavior && guards.pii.behavior !== "NONE" && (
        <Switch label={t.piiJudged} on={guards.pii.judged ?? false} onChange={(on) => put("pii", on ? { ...guards.pii, judged: true } : without(guards.pii ?? {}, "judged"))} disabled={disabled} />
      )}
      <Lines label={t.keywords} help={t.keywordsHelp} values={guards.invalid_keywords} onChange={(values) => put("invalid_keywords", values)} disabled={disabled} error={fault("invalid_keywords")} />
      <Switch label={t.safety} on={guards.safety ?? false} onChange={(on) => put("safety", on || undefined)} disabled={disabled} />
      {fault("safety") && <span className="field-error">{fault("safety")}</span>}
      {side === "input" && (
        <>
          <Switch label={t.injection} on={guards.prompt_injection ?? false} onChange={(on) => put("prompt_injection", on || undefined)} disabled={disabled} />
          {fault("prompt_injection") && <span className="field-error">{fault("prompt_injection")}</span>}
        </>
      )}
      <Lines label={t.topics} help={t.topicsHelp} values={guards.valid_topics} onChange={(values) => put("valid_topics", values)} disabled={disabled} error={fault("valid_topics")} />
    </fieldset>
  );
}

function Lines({ label, help, values, onChange, disabled, error }: { label: string; help: string; values: string[] | undefined; onChange(values: string[] | undefined): void; disabled: boolean; error: string | null }) {
  const [text, setText] = useState((values ?? []).join("\n"));
  const change = (next: string) => {
    setText(next);
    const lines = next.split("\n").map((line) => line.trim()).filter(Boolean);
    onChange(lines.length ? lines : undefined);
  };
  return <TextField label={label} help={help} optional rows={2} value={text} onChange={change} disabled={disabled} error={error} />;
}

interface Tested {
  action: "PASSED" | "MASKED" | "BLOCKED";
  text: string;
  reason: string | null;
  category_scores?: Record<string, number> | null;
  judged?: boolean;
  findings: { start: number; end: number; kind: string }[];
}

const TONES: Record<Tested["action"], Tone> = { PASSED: "ok", MASKED: "warn", BLOCKED: "bad" };

function Bench({ endpoint, rules, judge }: { endpoint: string; rules: { input?: Guards; output?: Guards }; judge: Judge | undefined }) {
  const t = useT("endpoints").gateway.bench;
  const sides = useT("endpoints").gateway.guardrails.sides;
  const format = useFormat();
  const [side, setSide] = useState<Side>("input");
  const [text, setText] = useState("");
  const test = useMutation({ mutationFn: () => api.post<Tested>(endpointPath(endpoint, "/guardrails/test"), { text, side, guardrails: rules[side] ?? {}, ...(judge?.endpoint_name && { judge }) }) });
  return (
    <div className="card pad stack">
      <div className="row between wrap">
        <div className="stack tight">
          <h3>{t.title}</h3>
          <p className="muted">{t.help}</p>
        </div>
        <Segmented label={t.side} value={side} onChange={(id) => (setSide(id), test.reset())} choices={[{ id: "input", label: sides.input }, { id: "output", label: sides.output }]} />
      </div>
      <TextField label={t.text} hideLabel rows={3} value={text} onChange={setText} placeholder={t.placeholder} />
      <span>
        <Button icon="shield" busy={test.isPending} isDisabled={!text.trim()} onPress={() => test.mutate()}>
          {t.run}
        </Button>
      </span>
      {test.error && <ErrorNote error={test.error} />}
      {test.data && (
        <div className="stack" role="status">
          <span className="row wrap">
            <Badge tone={TONES[test.data.action]}>{t.actions[test.data.action]}</Badge>
            {test.data.reason && <span className="muted">{test.data.reason}</span>}
            {test.data.judged && <Badge>{t.judged}</Badge>}
            {Object.entries(test.data.category_scores ?? {})
              .filter(([, score]) => score > 0)
              .map(([category, score]) => (
                <Badge key={category} tone="warn">
                  {category} {format.percent(score)}
                </Badge>
              ))}
          </span>
          {test.data.action !== "BLOCKED" && <pre className="endpoints-kept break" style={{ height: "auto", whiteSpace: "pre-wrap", padding: "0.5rem 0.6rem" }}>{test.data.text}</pre>}
          {test.data.findings.length > 0 && (
            <span className="row wrap">
              {test.data.findings.map((finding) => (
                <span key={finding.start} className="gateway-found">
                  {[...text].slice(finding.start, finding.end).join("")} · {finding.kind}
                </span>
              ))}
            </span>
          )}
        </div>
      )}
    </div>
  );
}
