/**
 * One served entity as a form. The form is a view of the JSON: it changes the fields that it knows and leaves the rest.
 */
import { useQuery } from "@tanstack/react-query";
import { useId } from "react";
import { api } from "~/api/client";
import type { EntityBody, ExternalModel, Provider, ProviderField } from "~/api/endpoints";
import { useProviders } from "~/api/endpoints";
import type { FieldFault } from "~/api/errors";
import { Segmented, Select, TextField } from "~/components/fields";
import { Banner, Loaded } from "~/components/states";
import { useT } from "~/i18n";
import { readAt, without, writeAt } from "./paths";
import { SecretField } from "./SecretField";

export interface EntityFormProps {
  entity: EntityBody;
  onChange(entity: EntityBody): void;
  /** Of the entity: their paths begin at it. */
  faults: readonly FieldFault[];
  /** An endpoint has external models or local ones, so only the kind of a single entity can be changed. */
  alone: boolean;
}

export function newExternal(provider: Provider | undefined): EntityBody {
  const task = provider?.tasks[0] ?? "llm/v1/chat";
  return { external_model: { name: "", provider: provider?.name ?? "openai", task, ...(provider && { [provider.group]: {} }) } };
}

export function EntityForm(props: EntityFormProps) {
  const { entity, onChange, alone } = props;
  const t = useT("endpoints").form;
  const providers = useProviders();
  const kind = entity.external_model ? "external" : "local";
  const become = (next: "external" | "local") => {
    if (next === kind) return;
    const name = entity.name ? { name: entity.name } : {};
    onChange(next === "local" ? { ...name, entity_name: "", entity_version: "1" } : { ...name, ...newExternal(providers.data?.find((each) => each.name === "openai")) });
  };
  return (
    <div className="stack">
      {alone && <Segmented label={t.kind} value={kind} onChange={become} choices={[{ id: "external", label: t.external }, { id: "local", label: t.local }]} />}
      {entity.external_model ? <Loaded query={providers}>{(known) => <External {...props} model={entity.external_model as ExternalModel} providers={known} />}</Loaded> : <Local {...props} />}
    </div>
  );
}

function faultAt(faults: readonly FieldFault[], path: string): string | null {
  return faults.find((fault) => fault.field === path || fault.field.startsWith(`${path}.`))?.description ?? null;
}

function Local({ entity, onChange, faults }: EntityFormProps) {
  const t = useT("endpoints").form;
  const id = useId();
  const known = useQuery({
    queryKey: ["models"],
    queryFn: ({ signal }) => api.get<{ models: { name: string }[]; known?: { name: string }[] }>("/api/2.0/models", {}, signal),
    retry: false,
  });
  const names = [...new Set([...(known.data?.models ?? []), ...(known.data?.known ?? [])].map((model) => model.name))];
  return (
    <div className="grid-2">
      {names.length > 0 ? (
        <Select label={t.localModel} help={t.localHelp} required value={entity.entity_name || null} onChange={(name) => onChange({ ...entity, entity_name: name })} choices={names.map((name) => ({ id: name, label: name }))} error={faultAt(faults, "entity_name")} />
      ) : (
        <TextField label={t.localModel} help={t.localHelp} required mono value={entity.entity_name ?? ""} onChange={(name) => onChange({ ...entity, entity_name: name })} placeholder="smollm2-135m-instruct" error={faultAt(faults, "entity_name")} />
      )}
      <EntityName key={id} {...{ entity, onChange, faults }} />
    </div>
  );
}

function EntityName({ entity, onChange, faults }: Omit<EntityFormProps, "alone">) {
  const t = useT("endpoints").form;
  return <TextField label={t.entityName} optional help={t.entityNameHelp} value={entity.name ?? ""} onChange={(name) => onChange(name ? { name, ...without(entity, "name") } : without(entity, "name"))} placeholder={entity.external_model?.name || entity.entity_name || "primary"} error={faultAt(faults, "name")} />;
}

function External({ entity, model, providers, onChange, faults }: EntityFormProps & { model: ExternalModel; providers: Provider[] }) {
  const t = useT("endpoints").form;
  const tasks = useT("endpoints").tasks;
  const provider = providers.find((each) => each.name === model.provider);
  const change = (next: ExternalModel) => onChange({ ...entity, external_model: next });
  const offered = providers.filter((each) => each.tasks.length > 0 || each.name === model.provider);
  const switchTo = (name: string) => {
    const next = providers.find((each) => each.name === name);
    if (!next) return;
    const kept = provider ? without(model, provider.group) : model;
    change({ ...kept, name: model.name, provider: next.name, task: next.tasks.includes(model.task) ? model.task : (next.tasks[0] ?? model.task), [next.group]: {} });
  };
  return (
    <>
      <div className="grid-2">
        <Select label={t.provider} value={model.provider} onChange={switchTo} choices={offered.map((each) => ({ id: each.name, label: each.title }))} error={faultAt(faults, "external_model.provider")} />
        <TextField label={t.model} required mono value={model.name} onChange={(name) => change({ ...model, name })} placeholder={EXAMPLES[model.provider] ?? t.modelPlaceholder} error={faultAt(faults, "external_model.name")} />
        <Select label={t.task} value={model.task} onChange={(task) => change({ ...model, task })} choices={(provider?.tasks ?? [model.task]).map((id) => ({ id, label: (tasks as Record<string, string>)[id] ?? id }))} error={faultAt(faults, "external_model.task")} />
        <EntityName {...{ entity, onChange, faults }} />
      </div>
      {provider?.deprecated_reason && <Banner tone="warn">{provider.deprecated_reason}</Banner>}
      {provider && <Settings provider={provider} settings={(model[provider.group] as Settings | undefined) ?? {}} onChange={(settings) => change({ ...model, [provider.group]: settings })} faults={faults} />}
    </>
  );
}

/** Names that their providers use today, as a hint of the form only. */
const EXAMPLES: Record<string, string> = {
  openai: "gpt-4o-mini",
  anthropic: "claude-sonnet-4-5",
  gemini: "gemini-2.5-flash",
  "google-cloud-vertex-ai": "gemini-2.5-flash",
  "amazon-bedrock": "anthropic.claude-3-5-haiku-20241022-v1:0",
  cohere: "command-r-plus",
  mistral: "mistral-small-latest",
  ollama: "llama3.2",
  "databricks-model-serving": "databricks-meta-llama-3-3-70b-instruct",
};

type Settings = Record<string, unknown>;

function Settings({ provider, settings, onChange, faults }: { provider: Provider; settings: Settings; onChange(settings: Settings): void; faults: readonly FieldFault[] }) {
  const t = useT("endpoints").form;
  const type = typeof settings["openai_api_type"] === "string" ? settings["openai_api_type"] : "openai";
  const parents = new Set(provider.fields.flatMap((field) => (field.name.includes(".") ? [field.name.split(".")[0]] : [])));
  const shown = provider.fields.filter((field) => !field.refused && !parents.has(field.name));
  const needed = (field: ProviderField) => field.required || (field.required_for?.includes(type) ?? false);
  // What is filled in, is needed, or decides what is needed stands first; the rest is there to be opened.
  const first = (field: ProviderField) => needed(field) || (field.secret && !field.required_for) || field.choices !== undefined || readAt(settings, field.name) !== undefined || field.name.endsWith("_api_base") || field.name.endsWith("_url");
  const draw = (field: ProviderField) => <Setting key={field.name} {...{ field, settings, onChange }} required={needed(field)} fault={faultOfSetting(faults, provider, field)} />;
  const more = shown.filter((field) => !first(field));
  return (
    <div className="stack">
      <div className="grid-2">{shown.filter(first).map(draw)}</div>
      {more.length > 0 && (
        <details>
          <summary className="endpoints-summary">{t.more(more.length)}</summary>
          <div className="grid-2">{more.map(draw)}</div>
        </details>
      )}
    </div>
  );
}

function faultOfSetting(faults: readonly FieldFault[], provider: Provider, field: ProviderField): string | null {
  const path = `external_model.${provider.group}.${field.name}`;
  return faults.find((fault) => fault.field === path || fault.field === `${path}_plaintext`)?.description ?? null;
}

function Setting({ field, settings, onChange, required, fault }: { field: ProviderField; settings: Settings; onChange(settings: Settings): void; required: boolean; fault: string | null }) {
  const t = useT("endpoints").form;
  const value = readAt(settings, field.name);
  const set = (next: string) => onChange(writeAt(settings, field.name, next || undefined));
  if (field.secret) return <SecretField {...{ field, settings, onChange, required, fault }} />;
  if (field.choices)
    return <Select label={field.label} help={field.help} optional={!required} value={typeof value === "string" ? value : null} onChange={(next) => set(next === NONE ? "" : next)} choices={[...(required ? [] : [{ id: NONE, label: t.default }]), ...field.choices.map((id) => ({ id, label: id }))]} placeholder={required ? undefined : t.default} error={fault} />;
  return <TextField label={field.label} help={field.help} optional={!required} required={required} mono value={typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value)} onChange={set} error={fault} />;
}

const NONE = "—";
