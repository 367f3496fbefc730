/** The endpoint that is asked whether a text is safe and on topic. */
import { useEndpointNames } from "~/api/endpoints";
import { Select, Switch } from "~/components/fields";
import { useT } from "~/i18n";
import { without } from "../config/paths";
import { NumberField } from "./NumberField";

export interface Judge {
  endpoint_name: string;
  timeout_seconds?: number;
  on_failure?: "block" | "allow";
  format?: "json" | "llama_guard";
}

interface JudgeFormProps {
  judge: Judge | undefined;
  onChange(judge: Judge | undefined): void;
  fault(name: string): string | null;
  disabled: boolean;
  /** The endpoint that is judged: it cannot judge itself. */
  endpoint: string;
}

export function JudgeForm({ judge, onChange, fault, disabled, endpoint }: JudgeFormProps) {
  const t = useT("endpoints").gateway.judge;
  const names = useEndpointNames();
  const offered = [...new Set([...(judge ? [judge.endpoint_name] : []), ...(names.data ?? [])])].filter((name) => name && name !== endpoint);
  return (
    <div className="stack">
      <div className="stack tight">
        <Switch label={t.title} on={judge !== undefined} onChange={(on) => onChange(on ? { endpoint_name: offered[0] ?? "" } : undefined)} disabled={disabled} />
        <span className="field-help">{t.help}</span>
      </div>
      {judge && (
        <div className="gateway-fields">
          <Select label={t.endpoint} value={judge.endpoint_name || null} onChange={(endpoint_name) => onChange({ ...judge, endpoint_name })} choices={offered.map((id) => ({ id, label: id }))} disabled={disabled} error={fault("endpoint_name")} />
          <Select label={t.format} value={judge.format ?? "json"} onChange={(format) => onChange({ ...judge, format: format as Judge["format"] })} choices={(["json", "llama_guard"] as const).map((id) => ({ id, label: t.formats[id] }))} disabled={disabled} error={fault("format")} />
          <Select label={t.failure} value={judge.on_failure ?? "block"} onChange={(on_failure) => onChange({ ...judge, on_failure: on_failure as Judge["on_failure"] })} choices={(["block", "allow"] as const).map((id) => ({ id, label: t.failures[id] }))} disabled={disabled} error={fault("on_failure")} />
          <NumberField label={t.timeout} value={judge.timeout_seconds} onChange={(value) => onChange(value === undefined ? without(judge, "timeout_seconds") : { ...judge, timeout_seconds: value })} placeholder="10" disabled={disabled} error={fault("timeout_seconds")} />
        </div>
      )}
    </div>
  );
}
