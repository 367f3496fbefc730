/** Changing what an endpoint serves: form or JSON, then what would change and whether the models answer, then save. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { part } from "~/api/client";
import { bodyOf, type ConfigBody, type Endpoint, putConfig, tryConfig } from "~/api/endpoints";
import { ApiError, type FieldFault } from "~/api/errors";
import { useQueryState } from "~/app/query-state";
import { Button } from "~/components/Button";
import { Segmented } from "~/components/fields";
import { JsonEditor } from "~/components/JsonEditor";
import { Page } from "~/components/Page";
import { Banner, ErrorNote } from "~/components/states";
import { toast } from "~/components/Toast";
import { useT } from "~/i18n";
import { Diff } from "../Diff";
import { Outcome } from "../Outcome";
import { ProbeResult } from "../ProbeResult";
import { ConfigForm } from "./ConfigForm";
import { DraftIsBack } from "./DraftIsBack";
import { useCheck } from "./use-check";
import { useDraft } from "./use-draft";

export function EditPage({ endpoint }: { endpoint: Endpoint }) {
  const t = useT("endpoints").edit;
  const words = useT("components");
  const query = useQueryState();
  const queries = useQueryClient();
  // The version that is edited, however others change the endpoint meanwhile: the server refuses a save on top of theirs.
  const [base] = useState(() => endpoint.config ?? endpoint.pending_config);
  const [before] = useState<ConfigBody>(() => (base ? bodyOf(base) : { served_entities: [] }));
  const draft = useDraft<ConfigBody>(before, `config:${endpoint.name}`);
  const { tried, error, busy, check, keep } = useCheck(draft.text);
  const mode = query.get("as") === "json" ? "json" : "form";
  const faults = faultsOf(error);
  const leave = () => {
    draft.discard();
    query.set({ edit: null, as: null });
  };
  const asked = (): ConfigBody => (endpoint.config ? { ...draft.value, config_version: base?.config_version } : draft.value);
  const save = () =>
    keep(async () => {
      await putConfig(endpoint.name, asked());
      await Promise.all([queries.invalidateQueries({ queryKey: ["endpoint", endpoint.name] }), queries.invalidateQueries({ queryKey: ["versions", endpoint.name] })]);
      toast.ok(t.saved);
      leave();
    });
  const modes = <Segmented label={t.mode} value={mode} onChange={(id) => query.set({ as: id === "json" ? "json" : null })} choices={[{ id: "form", label: t.form }, { id: "json", label: "JSON" }]} />;
  return (
    <Page title={`${words.edit} · ${endpoint.name}`} heading={<Crumbs name={endpoint.name} />} actions={modes}>
      {endpoint.config && base && endpoint.config.config_version !== base.config_version && <Banner tone="warn">{t.changedMeanwhile}</Banner>}
      <DraftIsBack draft={draft} />
      {mode === "form" ? (
        draft.broken === null ? (
          <ConfigForm config={draft.value} onChange={draft.setValue} faults={faults} />
        ) : (
          <Banner tone="bad">{words.notJson(draft.broken)}</Banner>
        )
      ) : (
        <JsonEditor label={t.json} value={draft.text} onChange={draft.setText} faults={faults} rows={26} />
      )}
      <Outcome of={error ?? tried}>
      {error !== null && <ErrorNote error={error} />}
      {tried && (
        <section className="card">
          <div className="card-head">
            <h2>{t.review}</h2>
          </div>
          <div className="card-body stack">
            <Diff label={t.review} before={before} after={masked(draft.value)} />
            {tried.probes?.map((probe) => <ProbeResult key={probe.entity} probe={probe} named />)}
          </div>
        </section>
      )}
      </Outcome>
      <div className="endpoints-foot">
        <Button onPress={leave}>{words.cancel}</Button>
        <span className="grow faint">{tried ? t.checked : t.checkHelp}</span>
        <Button kind={tried ? "default" : "primary"} busy={busy === "check"} isDisabled={draft.broken !== null} onPress={() => check(() => tryConfig(endpoint.name, asked()))}>
          {t.check}
        </Button>
        <Button kind="primary" busy={busy === "keep"} isDisabled={!tried || draft.broken !== null} onPress={save}>
          {t.save}
        </Button>
      </div>
    </Page>
  );
}

function Crumbs({ name }: { name: string }) {
  const t = useT("endpoints");
  return (
    <>
      <nav className="crumb" aria-label={t.breadcrumb}>
        <Link href="/endpoints">{t.title}</Link> / <Link href={`/endpoints/${part(name)}`}>{name}</Link>
      </nav>
      <h1>{t.edit.title(name)}</h1>
      <p>{t.edit.help}</p>
    </>
  );
}

/** The server's complaints; a path may begin with the configuration or in it. */
export function faultsOf(error: unknown): FieldFault[] {
  if (!(error instanceof ApiError)) return [];
  return error.faults.map((fault) => ({ ...fault, field: fault.field.replace(/^config\./, "") }));
}

/** The same without what was typed into credentials: a diff is looked at by more than one pair of eyes. */
export function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, name.endsWith("_plaintext") ? "•••" : masked(inner)]));
}
