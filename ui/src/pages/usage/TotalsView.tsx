/** The sums of everything that is looked at. */
import type { Sum } from "~/api/usage";
import { useFormat, useT } from "~/i18n";
import { totalsOf } from "./series";

export function TotalsView({ sums }: { sums: readonly Sum[] }) {
  const t = useT("usage").totals;
  const format = useFormat();
  const all = totalsOf(sums);
  const shown: [string, string, string | null][] = [
    [t.calls, format.number(all.calls), all.cancelled ? t.cancelled(format.number(all.cancelled)) : null],
    [t.errors, format.number(all.errors), all.calls ? format.percent(all.errors / all.calls, 1) : null],
    [t.input, format.number(all.input), all.estimated ? t.estimated(format.number(all.estimated)) : null],
    [t.output, format.number(all.output), null],
    [t.cost, all.cost === null ? "–" : format.money(all.cost), all.cost === null ? t.noPrices : all.unpriced ? t.unpriced(format.number(all.unpriced)) : null],
  ];
  return (
    <dl className="usage-totals">
      {shown.map(([label, value, note]) => (
        <div key={label} className="stat">
          <dt>{label}</dt>
          <dd>{value}</dd>
          {note && <dd className="stat-note">{note}</dd>}
        </div>
      ))}
    </dl>
  );
}
