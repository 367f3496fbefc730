/** What came of a short call through an entity. */
import type { Probe } from "~/api/endpoints";
import { Icon } from "~/components/Icon";
import { useFormat, useT } from "~/i18n";

export function ProbeResult({ probe, named }: { probe: Probe; named?: boolean }) {
  const t = useT("endpoints");
  const format = useFormat();
  return (
    <div className={`endpoints-probe ${probe.ok ? "ok" : "bad"}`} role="status">
      <Icon name={probe.ok ? "check" : "warn"} size={14} />
      <span className="break">
        {named && <strong>{probe.entity}: </strong>}
        {probe.ok ? t.probeOk(format.duration(probe.duration_ms)) : probe.message}
        {!probe.ok && probe.advice && <span className="muted"> {probe.advice}</span>}
      </span>
    </div>
  );
}
