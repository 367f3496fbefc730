/** The gateway rules of an endpoint: a form for what is known, JSON for all of it. Nothing is in force before it is saved. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type AiGateway, type Endpoint, putGateway } from "~/api/endpoints";
import { ApiError, type FieldFault } from "~/api/errors";
import { useQueryState } from "~/app/query-state";
import { Button } from "~/components/Button";
import { Segmented, Select, Switch, TextField } from "~/components/fields";
import { JsonEditor } from "~/components/JsonEditor";
import { Banner, ErrorNote } from "~/components/states";
import { toast } from "~/components/Toast";
import { useT } from "~/i18n";
import { without } from "../config/paths";
import { useDraft } from "../config/use-draft";
import { Guardrails } from "./Guardrails";
import { NumberField } from "./NumberField";
import { Prices } from "./Prices";
import { RateLimits } from "./RateLimits";
import { Section } from "./Section";
import { isOn, type RuleField, type RuleSection, SECTIONS } from "./sections";

export interface RulesProps {
  rules: AiGateway;
  onChange(rules: AiGateway): void;
  faults: readonly FieldFault[];
  disabled: boolean;
}

export function faultAt(faults: readonly FieldFault[], path: string): string | null {
  return faults.find((fault) => fault.field === path || fault.field.startsWith(`${path}.`))?.description ?? null;
}

export default function GatewayTab({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints").gateway;
  const words = useT("components");
  const edit = useT("endpoints").edit;
  const query = useQueryState();
  const queries = useQueryClient();
  const saved = endpoint.ai_gateway ?? {};
  const draft = useDraft<AiGateway>(saved, `gateway:${endpoint.name}`);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const mode = query.get("as") === "json" ? "json" : "form";
  const disabled = endpoint.permission_level !== "CAN_MANAGE";
  const faults = error instanceof ApiError ? error.faults.map((fault) => ({ ...fault, field: fault.field.replace(/^ai_gateway\./, "") })) : [];
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      const kept = await putGateway(endpoint.name, draft.value);
      queries.setQueryData<Endpoint>(["endpoint", endpoint.name], (before) => before && { ...before, ai_gateway: kept });
      draft.setValue(kept);
      await queries.invalidateQueries({ queryKey: ["endpoint", endpoint.name] });
      toast.ok(t.saved);
    } catch (thrown) {
      setError(thrown);
    }
    setBusy(false);
  };
  const rules: RulesProps = { rules: draft.value, onChange: draft.setValue, faults, disabled };
  return (
    <div className="stack">
      <div className="row between wrap">
        <p className="muted">{disabled ? t.readOnly : t.help}</p>
        <Segmented label={edit.mode} value={mode} onChange={(id) => query.set({ as: id === "json" ? "json" : null })} choices={[{ id: "form", label: edit.form }, { id: "json", label: "JSON" }]} />
      </div>
      {mode === "json" ? (
        <JsonEditor label={t.json} value={draft.text} onChange={draft.setText} faults={faults} rows={24} readOnly={disabled} />
      ) : draft.broken !== null ? (
        <Banner tone="bad">{words.notJson(draft.broken)}</Banner>
      ) : (
        <div className="card">
          <Tracking {...rules} />
          <RateLimits {...rules} />
          <Guardrails {...rules} endpoint={endpoint.name} />
          <Fallback {...rules} spares={endpoint.config?.served_entities.length ?? 1} />
          {SECTIONS.map((section) => (
            <RuleForm key={section.id} section={section} {...rules} />
          ))}
          <Prices {...rules} entities={endpoint.config?.served_entities ?? []} />
        </div>
      )}
      {error !== null && <ErrorNote error={error} />}
      {draft.changed && !disabled && (
        <div className="endpoints-foot">
          <span className="grow">{t.unsaved}</span>
          <Button onPress={() => (draft.setValue(saved), setError(null))}>{t.discard}</Button>
          <Button kind="primary" busy={busy} isDisabled={draft.broken !== null} onPress={() => void save()}>
            {words.save}
          </Button>
        </div>
      )}
    </div>
  );
}

function Tracking({ rules, onChange, faults, disabled }: RulesProps) {
  const t = useT("endpoints").gateway;
  const table = rules.inference_table_config;
  const setTable = (next: NonNullable<AiGateway["inference_table_config"]>) => onChange({ ...rules, inference_table_config: next });
  const names = ["catalog_name", "schema_name", "table_name_prefix"] as const;
  return (
    <>
      <Section title={t.usage.title} help={t.usage.help} on={rules.usage_tracking_config?.enabled ?? false} onSwitch={(enabled) => onChange({ ...rules, usage_tracking_config: { enabled } })} disabled={disabled} />
      <Section title={t.table.title} help={t.table.help} on={table?.enabled ?? false} onSwitch={(enabled) => setTable({ ...table, enabled })} disabled={disabled}>
        <div className="gateway-fields">
          {names.map((name) => (
            <TextField key={name} label={t.table[name]} optional={name === "table_name_prefix"} mono disabled={disabled} value={table?.[name] ?? ""} onChange={(value) => setTable(value ? { ...table, [name]: value } : without(table ?? {}, name))} error={faultAt(faults, `inference_table_config.${name}`)} />
          ))}
        </div>
      </Section>
    </>
  );
}

function Fallback({ rules, onChange, disabled, spares }: RulesProps & { spares: number }) {
  const t = useT("endpoints").gateway.fallback;
  const on = rules.fallback_config?.enabled ?? false;
  return (
    <Section title={t.title} help={t.help} on={on} onSwitch={(enabled) => onChange({ ...rules, fallback_config: { enabled } })} disabled={disabled}>
      {spares < 2 && <Banner tone="info">{t.single}</Banner>}
    </Section>
  );
}

function RuleForm({ section, rules, onChange, faults, disabled }: RulesProps & { section: RuleSection }) {
  const t = useT("endpoints").gateway.sections[section.id];
  const rule = rules[section.id] as Record<string, unknown> | undefined;
  const set = (next: Record<string, unknown> | undefined) => onChange(next === undefined ? without(rules, section.id) : { ...rules, [section.id]: next });
  const on = isOn(section, rule);
  const turn = (now: boolean) => set(now ? { ...section.start, ...rule, ...(section.enabled && { enabled: true }) } : undefined);
  return (
    <Section title={t.title} help={t.help} on={on} onSwitch={turn} disabled={disabled}>
      {section.fields.length > 0 && (
        <div className="gateway-fields">
          {section.fields.map((field) => (
            <RuleInput key={field.name} field={field} label={(t.fields as Record<string, string>)[field.name] ?? field.name} value={rule?.[field.name]} onChange={(value) => set(value === undefined ? without(rule ?? {}, field.name) : { ...rule, [field.name]: value })} error={faultAt(faults, `${section.id}.${field.name}`)} disabled={disabled} />
          ))}
        </div>
      )}
    </Section>
  );
}

interface RuleInputProps {
  field: RuleField;
  label: string;
  value: unknown;
  onChange(value: unknown): void;
  error: string | null;
  disabled: boolean;
}

function RuleInput({ field, label, value, onChange, error, disabled }: RuleInputProps) {
  const t = useT("endpoints").gateway;
  if (field.kind === "flag") return <Switch label={label} on={value === true} onChange={onChange} disabled={disabled} />;
  if (field.kind === "choice")
    return (
      <Select
        label={label}
        disabled={disabled}
        value={typeof value === "string" ? value : (field.fallback as string) || NONE}
        onChange={(id) => onChange(id === NONE ? undefined : id)}
        choices={[...(field.fallback === "" ? [{ id: NONE, label: t.none }] : []), ...(field.choices ?? []).map((id) => ({ id, label: (t.choices as Record<string, string>)[id] ?? id }))]}
        error={error}
      />
    );
  return <NumberField label={label} value={typeof value === "number" ? value : undefined} onChange={onChange} placeholder={String(field.fallback) || t.serverDefault} error={error} disabled={disabled} />;
}

const NONE = "—";
