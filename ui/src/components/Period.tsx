/** From when to when: the last so many hours or days, or two moments. Stands in the query string as `period`, or `from` and `to`. */
import { useId, useMemo } from "react";
import { useQueryState } from "~/app/query-state";
import { useT } from "~/i18n";
import { Select } from "./fields";

const HOUR = 3_600_000;
const LENGTHS = { hour: HOUR, day: 24 * HOUR, week: 7 * 24 * HOUR, month: 30 * 24 * HOUR, quarter: 90 * 24 * HOUR } as const;

export type PeriodId = keyof typeof LENGTHS | "all" | "custom";

export interface Period {
  id: PeriodId;
  /** Unix milliseconds; null: without bound. */
  since: number | null;
  until: number | null;
}

/** `first`: what holds where the address says nothing. */
export function usePeriod(first: PeriodId): Period {
  const query = useQueryState();
  const [from, to, asked] = [query.get("from"), query.get("to"), query.get("period")];
  // The beginning of a period stands still while it is looked at, or every look would be another question.
  return useMemo(() => periodOf(asked, from, to, first, Date.now()), [asked, from, to, first]);
}

export function periodOf(asked: string | null, from: string | null, to: string | null, first: PeriodId, now: number): Period {
  if (from || to || asked === "custom") return { id: "custom", since: momentOf(from), until: momentOf(to) };
  const id = asked === "all" || (asked !== null && asked in LENGTHS) ? (asked as PeriodId) : first;
  return { id, since: id === "all" || id === "custom" ? null : now - LENGTHS[id], until: null };
}

function momentOf(text: string | null): number | null {
  const time = text ? new Date(text).getTime() : NaN;
  return Number.isNaN(time) ? null : time;
}

export function PeriodField({ first, period }: { first: PeriodId; period: Period }) {
  const t = useT("components").period;
  const query = useQueryState();
  const ids: PeriodId[] = ["hour", "day", "week", "month", "quarter", "all", "custom"];
  const choose = (id: string) => query.set({ period: id === first ? null : id, from: null, to: null });
  return (
    <>
      <Select label={t.label} value={period.id} onChange={choose} choices={ids.map((id) => ({ id, label: t.choices[id] }))} />
      {period.id === "custom" && (
        <>
          <Moment name="from" label={t.from} />
          <Moment name="to" label={t.to} />
        </>
      )}
    </>
  );
}

function Moment({ name, label }: { name: "from" | "to"; label: string }) {
  const id = useId();
  const query = useQueryState();
  return (
    <div className="field" style={{ minWidth: "12.5rem" }}>
      <label className="field-label" htmlFor={id}>
        {label}
      </label>
      <input id={id} className="input" type="datetime-local" value={query.get(name) ?? ""} onChange={(event) => query.set({ [name]: event.target.value || null, period: "custom" })} />
    </div>
  );
}
