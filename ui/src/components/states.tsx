/** What a page shows when it has nothing, waits, or failed. */
import type { ReactNode } from "react";
import { type ApiError, asApiError } from "~/api/errors";
import { useT } from "~/i18n";
import { Button } from "./Button";
import { CodeBlock } from "./copy";
import { Icon } from "./Icon";

/** Teaches the first step: what this is, a command that does it, and a button that does it here. */
export function EmptyState({ title, children, command, action }: { title: string; children?: ReactNode; command?: string; action?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action}
      {command && <CodeBlock code={command} label={title} />}
    </div>
  );
}

function useAdvice(error: ApiError): string | null {
  const t = useT("components").error;
  if (error.status === 0) return error.code === "NETWORK" ? t.NETWORK : null;
  if (error.status === 403) return t.denied;
  if (error.status === 404) return t.missing;
  if (error.status === 409) return t.conflict;
  if (error.status === 429) return t.limited(error.retryAfter);
  return error.status >= 500 ? t.server : null;
}

/** An error where it happened: what was wrong, the fields, and what to do. */
export function ErrorNote({ error: thrown, retry }: { error: unknown; retry?: () => void }) {
  const t = useT("components");
  const error = asApiError(thrown);
  const advice = useAdvice(error);
  return (
    <div className="banner bad" role="alert">
      <Icon name="warn" />
      <div className="stack tight grow">
        <strong className="break">{error.status === 0 && error.code === "NETWORK" ? t.error.NETWORK : error.message}</strong>
        {error.faults.length > 1 && <FaultList faults={error.faults} />}
        {advice && error.code !== "NETWORK" && <span className="muted">{advice}</span>}
        {error.requestId && error.status >= 500 && (
          <span className="faint">
            {t.error.requestId} <code>{error.requestId}</code>
          </span>
        )}
        {retry && (
          <span>
            <Button small icon="refresh" onPress={retry}>
              {t.retry}
            </Button>
          </span>
        )}
      </div>
    </div>
  );
}

export function FaultList({ faults }: { faults: readonly { field: string; description: string }[] }) {
  return (
    <ul className="faults">
      {faults.map((fault) => (
        <li key={fault.field + fault.description}>
          <code>{fault.field}</code> {fault.description}
        </li>
      ))}
    </ul>
  );
}

/** `lines`: about how much room the content will take. */
export function Skeleton({ lines = 6, height = "1.1rem" }: { lines?: number; height?: string }) {
  const t = useT("shell");
  return (
    <div className="stack" role="status" aria-label={t.loading}>
      {Array.from({ length: lines }, (_, index) => (
        <div key={index} className="skeleton" style={{ height, width: `${100 - ((index * 17) % 35)}%` }} />
      ))}
    </div>
  );
}

interface Asked<T> {
  data: T | undefined;
  error: unknown;
  isPending: boolean;
  refetch(): unknown;
}

/** A query's three states in one place; what was loaded before stays while a repeat fails. */
export function Loaded<T>({ query, lines, children }: { query: Asked<T>; lines?: number; children(data: T): ReactNode }) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error) return <ErrorNote error={query.error} retry={() => void query.refetch()} />;
  return <Skeleton lines={lines} />;
}

export function Progress({ share, tone, label }: { share: number; tone?: "warn" | "bad"; label: string }) {
  const percent = Math.max(0, Math.min(100, share * 100));
  return (
    <div className={`progress ${tone ?? ""}`} role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(percent)}>
      <span style={{ width: `${percent}%` }} />
    </div>
  );
}

export function Banner({ tone, children, action }: { tone: "ok" | "warn" | "bad" | "info"; children: ReactNode; action?: ReactNode }) {
  return (
    <div className={`banner ${tone}`}>
      <Icon name={tone === "ok" ? "check" : tone === "info" ? "info" : "warn"} />
      <div className="stack tight grow">{children}</div>
      {action}
    </div>
  );
}
