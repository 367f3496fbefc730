/** The budgets that hold for calls to this endpoint by its name, and how far they are used up. */
import { Link } from "wouter";
import { useBudgets } from "~/api/budgets";
import { Progress } from "~/components/states";
import { useFormat, useT } from "~/i18n";

export function Spending({ endpoint }: { endpoint: string }) {
  const t = useT("endpoints").spending;
  const format = useFormat();
  const budgets = useBudgets();
  const own = (budgets.data ?? []).filter((budget) => budget.scope === "endpoint" && budget.subject === endpoint);
  if (own.length === 0) return null;
  return (
    <section className="card">
      <div className="card-head">
        <h2>{t.title}</h2>
        <Link href="/budgets">{t.all}</Link>
      </div>
      <div className="card-body stack">
        {own.map((budget) => {
          const share = budget.limit_usd > 0 ? budget.spent_usd / budget.limit_usd : 1;
          return (
            <div key={budget.id} className="stack tight">
              <span className="row between">
                <span className="truncate">{budget.name}</span>
                <span className="nums nowrap muted">{t.of(format.money(budget.spent_usd), format.money(budget.limit_usd))}</span>
              </span>
              <Progress label={budget.name} share={share} tone={share >= 1 ? "bad" : share >= 0.8 ? "warn" : undefined} />
              <span className="faint">{t.until(format.date(budget.resets_at))}</span>
            </div>
          );
        })}
      </div>
    </section>
  );
}
