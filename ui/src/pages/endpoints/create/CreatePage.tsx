/** Making an endpoint: where the model is, what the endpoint is called, a check by the server, and only then create. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { part } from "~/api/client";
import { type AiGateway, type ConfigBody, createEndpoint, type Provider, type Tag, tryCreate, useProviders } from "~/api/endpoints";
import { useQueryState } from "~/app/query-state";
import { Button } from "~/components/Button";
import { Checkbox, Segmented, TextField } from "~/components/fields";
import { Icon } from "~/components/Icon";
import { JsonEditor } from "~/components/JsonEditor";
import { Page } from "~/components/Page";
import { Banner, ErrorNote, Loaded } from "~/components/states";
import { toast } from "~/components/Toast";
import { useT } from "~/i18n";
import { ConfigForm, within } from "../config/ConfigForm";
import { newExternal } from "../config/EntityForm";
import { faultsOf } from "../config/EditPage";
import { DraftIsBack } from "../config/DraftIsBack";
import { useCheck } from "../config/use-check";
import { useDraft } from "../config/use-draft";
import { Outcome } from "../Outcome";
import { ProbeResult } from "../ProbeResult";
import { TagsEditor } from "../TagsEditor";

interface Body {
  name: string;
  description?: string;
  config: ConfigBody;
  tags?: Tag[];
  ai_gateway?: AiGateway;
}

const EMPTY: Body = { name: "", config: { served_entities: [] }, ai_gateway: { usage_tracking_config: { enabled: true } } };

/** `model`: of this host, that is to be served. */
function beginning(model: string | null): Body {
  return model === null ? EMPTY : { ...EMPTY, name: model.replace(/[^\w-]+/g, "-"), config: { served_entities: [{ entity_name: model, entity_version: "1" }] } };
}

export function CreatePage() {
  const t = useT("endpoints").make;
  const all = useT("endpoints");
  const words = useT("components");
  const query = useQueryState();
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const [first] = useState(() => beginning(query.get("model")));
  const draft = useDraft<Body>(first, "create");
  const { tried, error, busy, check, keep } = useCheck(draft.text);
  const mode = query.get("as") === "json" ? "json" : "form";
  const body = draft.value;
  const change = (next: Partial<Body>) => draft.setValue({ ...body, ...next });
  const asked = (): Body => ({ ...body, tags: body.tags?.filter((tag) => tag.key.trim()) });
  const create = () =>
    keep(async () => {
      const made = await createEndpoint(asked());
      draft.discard();
      await queries.invalidateQueries({ queryKey: ["endpoints"] });
      toast.ok(t.done(made.name));
      navigate(`/endpoints/${part(made.name)}`);
    });
  const cancel = () => {
    draft.discard();
    navigate("/endpoints");
  };
  const chosen = body.config.served_entities.length > 0;
  return (
    <Page
      title={t.title}
      heading={
        <>
          <nav className="crumb" aria-label={all.breadcrumb}>
            <Link href="/endpoints">{all.title}</Link>
          </nav>
          <h1>{t.title}</h1>
        </>
      }
      actions={<Segmented label={all.edit.mode} value={mode} onChange={(id) => query.set({ as: id === "json" ? "json" : null })} choices={[{ id: "form", label: all.edit.form }, { id: "json", label: "JSON" }]} />}
    >
      <DraftIsBack draft={draft} />
      {mode === "json" ? (
        <JsonEditor label={t.json} value={draft.text} onChange={draft.setText} faults={rawFaults(error)} rows={26} />
      ) : draft.broken !== null ? (
        <Banner tone="bad">{words.notJson(draft.broken)}</Banner>
      ) : chosen ? (
        <Details body={body} change={change} error={error} />
      ) : (
        <Choose onChoose={(entity) => change({ config: { ...body.config, served_entities: [entity] } })} />
      )}
      <Outcome of={error ?? tried}>
      {error !== null && <ErrorNote error={error} />}
      {tried && (
        <Banner tone={tried.probes?.some((probe) => !probe.ok) ? "warn" : "ok"}>
          <strong>{t.valid}</strong>
          {tried.probes?.map((probe) => <ProbeResult key={probe.entity} probe={probe} named />)}
          {tried.probes?.some((probe) => !probe.ok) && <span className="muted">{t.probeFailed}</span>}
        </Banner>
      )}
      </Outcome>
      {(chosen || mode === "json") && (
        <div className="endpoints-foot">
          <Button onPress={cancel}>{words.cancel}</Button>
          <span className="grow faint">{tried ? t.checked : t.checkHelp}</span>
          <Button kind={tried ? "default" : "primary"} busy={busy === "check"} isDisabled={draft.broken !== null} onPress={() => check(() => tryCreate(asked()))}>
            {all.edit.check}
          </Button>
          <Button kind="primary" busy={busy === "keep"} isDisabled={!tried || draft.broken !== null} onPress={create}>
            {words.create}
          </Button>
        </div>
      )}
    </Page>
  );
}

function rawFaults(error: unknown) {
  return faultsOf(error).map((fault) => ({ ...fault, field: /^(served_|traffic_)/.test(fault.field) ? `config.${fault.field}` : fault.field }));
}

function Choose({ onChoose }: { onChoose(entity: ConfigBody["served_entities"][number]): void }) {
  const t = useT("endpoints").make;
  const providers = useProviders();
  const first = ["openai", "anthropic", "amazon-bedrock", "google-cloud-vertex-ai", "gemini", "databricks-model-serving"];
  const rank = (provider: Provider) => (first.includes(provider.name) ? first.indexOf(provider.name) : first.length);
  const sorted = (all: Provider[]) => all.filter((each) => each.tasks.length > 0).sort((one, other) => rank(one) - rank(other) || one.title.localeCompare(other.title));
  return (
    <section className="stack" aria-labelledby="choose">
      <h2 id="choose">{t.where}</h2>
      <button type="button" className="endpoints-choice local" onClick={() => onChoose({ entity_name: "", entity_version: "1" })}>
        <Icon name="models" size={20} />
        <span className="stack tight">
          <strong>{t.localTitle}</strong>
          <span className="muted">{t.localHelp}</span>
        </span>
      </button>
      <Loaded query={providers}>
        {(all) => (
          <ul className="endpoints-choices">
            {sorted(all).map((provider) => (
              <li key={provider.name}>
                <button type="button" className="endpoints-choice" onClick={() => onChoose(newExternal(provider))}>
                  <span className="endpoints-mark" aria-hidden="true">
                    {provider.title.replace(/^Any /, "").slice(0, 1)}
                  </span>
                  <span className="stack tight">
                    <strong>{provider.title}</strong>
                    <span className="faint">{t.tasks(provider.tasks.map((task) => task.split("/").at(-1) ?? task))}</span>
                  </span>
                </button>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </section>
  );
}

function Details({ body, change, error }: { body: Body; change(next: Partial<Body>): void; error: unknown }) {
  const t = useT("endpoints").make;
  const faults = faultsOf(error);
  const fault = (field: string) => faults.find((each) => each.field === field)?.description ?? null;
  const tracked = body.ai_gateway?.usage_tracking_config?.enabled ?? false;
  return (
    <div className="stack loose">
      <section className="card">
        <div className="card-head">
          <h2>{t.about}</h2>
        </div>
        <div className="card-body stack">
          <div className="grid-2">
            <TextField label={t.name} required mono autoFocus value={body.name} onChange={(name) => change({ name: name.replace(/\s+/g, "-") })} help={t.nameHelp} placeholder="support-bot" error={fault("name")} />
            <TextField label={t.description} optional value={body.description ?? ""} onChange={(description) => change({ description: description || undefined })} error={fault("description")} />
          </div>
          <TagsEditor tags={body.tags ?? []} onChange={(tags) => change({ tags })} />
          <Checkbox checked={tracked} onChange={(enabled) => change({ ai_gateway: enabled ? { ...body.ai_gateway, usage_tracking_config: { enabled } } : undefined })}>
            {t.track}
            <span className="field-help" style={{ display: "block" }}>
              {t.trackHelp}
            </span>
          </Checkbox>
        </div>
      </section>
      <ConfigForm config={body.config} onChange={(config) => change({ config })} faults={[...faults, ...within(faults, "config.")]} />
    </div>
  );
}
