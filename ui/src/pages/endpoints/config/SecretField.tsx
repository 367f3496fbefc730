/**
 * A credential: one of the secrets that are there, a new one made in place, or typed in, which the server seals and shows
 * as a reference from then on. A value is never read back.
 */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "~/api/client";
import type { ProviderField } from "~/api/endpoints";
import { Button, IconButton } from "~/components/Button";
import { Dialog } from "~/components/Dialog";
import { Segmented, Select, TextField } from "~/components/fields";
import { ErrorNote } from "~/components/states";
import { useT } from "~/i18n";
import { isKept, readAt, reference, referenceOf, writeAt } from "./paths";

type Settings = Record<string, unknown>;

interface SecretFieldProps {
  field: ProviderField;
  settings: Settings;
  onChange(settings: Settings): void;
  required: boolean;
  fault: string | null;
}

export function SecretField({ field, settings, onChange, required, fault }: SecretFieldProps) {
  const t = useT("endpoints").secret;
  const plain = `${field.name}_plaintext`;
  const given = referenceOf(readAt(settings, field.name));
  const typed = readAt(settings, plain);
  const [mode, setMode] = useState<"typed" | "secret">(given && !isKept(given.scope) ? "secret" : "typed");
  const setReference = (value: string | undefined) => onChange(writeAt(writeAt(settings, plain, undefined), field.name, value));
  const setTyped = (value: string) => onChange(writeAt(value ? writeAt(settings, field.name, undefined) : settings, plain, value || undefined));
  if (given && isKept(given.scope) && typed === undefined)
    return (
      <div className="field">
        <span className="field-label">{field.label}</span>
        <span className="row">
          <span className="endpoints-kept grow">{t.kept}</span>
          <Button onPress={() => setReference(undefined)}>{t.replace}</Button>
        </span>
        <span className="field-help">{t.keptHelp}</span>
      </div>
    );
  return (
    <div className="field endpoints-secret" role="group" aria-label={field.label}>
      <div className="row between">
        <span className="field-label">
          {field.label}
          {!required && <Optional />}
        </span>
        <Segmented label={field.label} value={mode} onChange={(id) => setMode(id)} choices={[{ id: "typed", label: t.type }, { id: "secret", label: t.pick }]} />
      </div>
      {mode === "typed" ? (
        <TextField label={field.label} hideLabel type="password" mono value={typeof typed === "string" ? typed : ""} onChange={setTyped} help={t.typeHelp} error={fault} />
      ) : (
        <Picker label={field.label} suggestion={field.name} given={given} onPick={setReference} fault={fault} />
      )}
    </div>
  );
}

function Optional() {
  const words = useT("components");
  return <span className="field-optional">{words.optional}</span>;
}

interface Secrets {
  scope: string;
  key: string;
}

/** Every secret that the user may list, over all scopes. */
function useSecrets() {
  return useQuery({
    queryKey: ["secrets", "all"],
    queryFn: async ({ signal }) => {
      const { scopes = [] } = await api.get<{ scopes?: { name: string }[] }>("/api/2.0/secrets/scopes/list", {}, signal);
      const lists = await Promise.all(
        scopes.map(async ({ name }): Promise<Secrets[]> => {
          try {
            const { secrets = [] } = await api.get<{ secrets?: { key: string }[] }>("/api/2.0/secrets/list", { scope: name }, signal);
            return secrets.map(({ key }) => ({ scope: name, key }));
          } catch {
            return []; // A scope that may be seen and not read has nothing to pick.
          }
        }),
      );
      return { scopes: scopes.map((scope) => scope.name), secrets: lists.flat() };
    },
  });
}

function Picker({ label, suggestion, given, onPick, fault }: { label: string; suggestion: string; given: Secrets | null; onPick(value: string): void; fault: string | null }) {
  const t = useT("endpoints").secret;
  const found = useSecrets();
  const [making, setMaking] = useState(false);
  const all = found.data?.secrets ?? [];
  const known = given && !all.some((each) => each.scope === given.scope && each.key === given.key) ? [given, ...all] : all;
  return (
    <>
      <div className="row" style={{ alignItems: "flex-start" }}>
        <div className="grow">
          <Select label={label} hideLabel value={given ? reference(given.scope, given.key) : null} onChange={onPick} choices={known.map((each) => ({ id: reference(each.scope, each.key), label: `${each.scope}/${each.key}` }))} placeholder={found.data && known.length === 0 ? t.none : t.choose} help={t.pickHelp} error={fault} />
        </div>
        <IconButton label={t.create} icon="plus" kind="default" onPress={() => setMaking(true)} />
      </div>
      {making && <NewSecret scopes={found.data?.scopes ?? []} suggestion={suggestion} onClose={() => setMaking(false)} onMade={onPick} />}
    </>
  );
}

function NewSecret({ scopes, suggestion, onClose, onMade }: { scopes: string[]; suggestion: string; onClose(): void; onMade(reference: string): void }) {
  const t = useT("endpoints").secret;
  const words = useT("components");
  const queries = useQueryClient();
  const [scope, setScope] = useState(scopes[0] ?? "providers");
  const [key, setKey] = useState(suggestion.replace(/[^A-Za-z0-9_.-]/g, "-"));
  const [value, setValue] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      if (!scopes.includes(scope)) await api.post("/api/2.0/secrets/scopes/create", { scope });
      await api.post("/api/2.0/secrets/put", { scope, key, string_value: value });
      await queries.invalidateQueries({ queryKey: ["secrets"] });
      onMade(reference(scope, key));
      onClose();
    } catch (thrown) {
      setError(thrown);
      setBusy(false);
    }
  };
  const foot = (
    <>
      <Button onPress={onClose}>{words.cancel}</Button>
      <Button kind="primary" busy={busy} isDisabled={!scope || !key || !value} onPress={() => void save()}>
        {t.create}
      </Button>
    </>
  );
  return (
    <Dialog title={t.create} open onClose={onClose} foot={foot}>
      <div className="grid-2">
        <TextField label={t.scope} value={scope} onChange={setScope} help={scopes.includes(scope) ? undefined : t.newScope} mono />
        <TextField label={t.key} value={key} onChange={setKey} mono />
      </div>
      <TextField label={t.value} type="password" mono value={value} onChange={setValue} autoFocus />
      {error !== null && <ErrorNote error={error} />}
    </Dialog>
  );
}
