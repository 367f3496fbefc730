/** Every configuration that there was: what each changed, and the way back. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { bodyOf, type Endpoint, rollBack, tryConfig, useVersions, type Version } from "~/api/endpoints";
import { Badge, type Tone } from "~/components/Badge";
import { Button } from "~/components/Button";
import { Dialog } from "~/components/Dialog";
import { ErrorNote, Loaded } from "~/components/states";
import { toast } from "~/components/Toast";
import { useFormat, useT } from "~/i18n";
import { Diff } from "../Diff";
import { ProbeResult } from "../ProbeResult";

const TONES: Record<string, Tone> = { ACTIVE: "ok", IN_PROGRESS: "info", UPDATE_FAILED: "bad", UPDATE_CANCELED: "warn" };

export default function HistoryTab({ endpoint }: { endpoint: Endpoint }) {
  const versions = useVersions(endpoint.name);
  const [shown, setShown] = useState<Version | null>(null);
  return (
    <>
      <Loaded query={versions}>{(told) => <List versions={told.versions} onShow={setShown} />}</Loaded>
      {shown && <VersionDialog endpoint={endpoint} version={shown} onClose={() => setShown(null)} />}
    </>
  );
}

function List({ versions, onShow }: { versions: Version[]; onShow(version: Version): void }) {
  const t = useT("endpoints");
  const format = useFormat();
  return (
    <ol className="endpoints-versions card">
      {versions.map((version) => (
        <li key={version.version}>
          <div className="stack tight grow">
            <span className="row wrap">
              <strong>{t.version(version.version)}</strong>
              <Badge tone={TONES[version.state] ?? "idle"}>{t.history.states[version.state] ?? version.state}</Badge>
            </span>
            <span className="faint">
              {t.history.by(version.created_by, format.dateTime(version.created_at))}
              {" · "}
              {version.config.served_entities.map((entity) => entity.external_model?.name ?? entity.entity_name).join(", ")}
            </span>
          </div>
          <Button small icon="history" onPress={() => onShow(version)}>
            {version.state === "ACTIVE" ? t.history.show : t.history.compare}
          </Button>
        </li>
      ))}
    </ol>
  );
}

function VersionDialog({ endpoint, version, onClose }: { endpoint: Endpoint; version: Version; onClose(): void }) {
  const t = useT("endpoints");
  const words = useT("components");
  const queries = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const active = version.state === "ACTIVE";
  const offered = !active && endpoint.permission_level === "CAN_MANAGE";
  const check = useQuery({ queryKey: ["try", endpoint.name, version.version], queryFn: () => tryConfig(endpoint.name, version.config), enabled: offered, retry: false, gcTime: 0 });
  const go = async () => {
    setBusy(true);
    setError(null);
    try {
      await rollBack(endpoint.name, version.version);
      await Promise.all([queries.invalidateQueries({ queryKey: ["endpoint", endpoint.name] }), queries.invalidateQueries({ queryKey: ["versions", endpoint.name] })]);
      toast.ok(t.history.done(version.version));
      onClose();
    } catch (thrown) {
      setError(thrown);
      setBusy(false);
    }
  };
  const foot = (
    <>
      <Button onPress={onClose}>{words.close}</Button>
      {offered && (
        <Button kind="primary" icon="history" busy={busy} onPress={() => void go()}>
          {t.history.rollBack(version.version)}
        </Button>
      )}
    </>
  );
  return (
    <Dialog title={active ? t.version(version.version) : t.history.title(version.version)} open onClose={onClose} wide foot={foot}>
      {!active && <p className="muted">{t.history.help}</p>}
      {active || !endpoint.config ? <Diff label={t.version(version.version)} before="" after={version.config} /> : <Diff label={t.history.title(version.version)} before={bodyOf(endpoint.config)} after={normal(version)} />}
      {check.isFetching && <p className="muted">{t.edit.checking}</p>}
      {check.data?.probes?.map((probe) => <ProbeResult key={probe.entity} probe={probe} named />)}
      {check.error && <ErrorNote error={check.error} />}
      {error !== null && <ErrorNote error={error} />}
    </Dialog>
  );
}

/** A version's configuration with its fields in the order of the active one's, so that only differences differ. */
function normal({ config }: Version) {
  return bodyOf({ ...config, config_version: 0, served_entities: config.served_entities.map((entity) => ({ ...entity, name: entity.name ?? "" })) });
}
