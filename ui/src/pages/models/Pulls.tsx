/** Models that are being fetched: how far, how long yet, and what failed. */
import { useEffect, useRef, useState } from "react";
import { type Pull, timeLeft } from "~/api/pulls";
import { toast } from "~/components/Toast";
import { useFormat, useT } from "~/i18n";
import "./models.css";

/** What is under way or has just failed; what is done is in the list. */
export function Pulls({ pulls }: { pulls: Pull[] }) {
  const t = useT("models");
  useNews(pulls);
  const shown = pulls.filter((pull) => pull.state !== "done");
  if (!shown.length) return null;
  return (
    <section className="stack" aria-label={t.pulls}>
      {shown.map((pull) => (
        // Each phase has a pace of its own.
        <PullBar key={`${pull.id} ${pull.phase}`} pull={pull} />
      ))}
    </section>
  );
}

/** Says so when one that was under way is here. */
function useNews(pulls: Pull[]): void {
  const t = useT("models");
  const running = useRef<ReadonlySet<string>>(new Set());
  useEffect(() => {
    for (const pull of pulls) if (pull.state === "done" && running.current.has(pull.id)) toast.ok(t.arrived(pull.name ?? pull.spec));
    running.current = new Set(pulls.filter((pull) => pull.state === "running").map((pull) => pull.id));
  }, [pulls, t]);
}

function PullBar({ pull }: { pull: Pull }) {
  const t = useT("models");
  const format = useFormat();
  const [first] = useState(() => ({ at: Date.now(), bytes: pull.bytes }));
  const name = pull.name ?? pull.spec;
  if (pull.state === "failed")
    return (
      <div className="banner bad" role="alert">
        <div className="stack tight">
          <strong className="break">{`${t.failed}: ${name}`}</strong>
          <span className="break">{pull.error}</span>
        </div>
      </div>
    );
  const share = pull.total ? Math.min(1, pull.bytes / pull.total) : null;
  const left = timeLeft(pull, first, Date.now());
  const said = [t.phases[pull.phase] ?? pull.phase, pull.total ? `${format.bytes(pull.bytes)} / ${format.bytes(pull.total)}` : format.bytes(pull.bytes), left === null ? null : t.left(format.duration(Math.ceil(left / 1000) * 1000))];
  return (
    <div className="card pad stack tight">
      <div className="row between wrap">
        <strong className="break">{t.pulling(name)}</strong>
        <span className="nums faint">{said.filter((each) => each !== null).join(" · ")}</span>
      </div>
      <div className="progress models-pull" role="progressbar" aria-label={t.pulling(name)} aria-valuemin={0} aria-valuemax={100} aria-valuenow={share === null ? undefined : Math.round(share * 100)}>
        <span style={{ width: `${(share ?? 0.05) * 100}%` }} />
      </div>
    </div>
  );
}
