/** Budgets: how much of each is spent, who spent it, and what happens at its end. */
import { useState } from "react";
import { type Budget, useBudgetChanges, useBudgets } from "~/api/budgets";
import { Badge } from "~/components/Badge";
import { Button, IconButton } from "~/components/Button";
import { ConfirmDialog } from "~/components/Dialog";
import { Page } from "~/components/Page";
import { EmptyState, ErrorNote, Skeleton } from "~/components/states";
import { toast } from "~/components/Toast";
import { useFormat, useT } from "~/i18n";
import { EditBudget } from "./EditBudget";

type Asking = { what: "edit"; budget: Budget | null } | { what: "delete"; budget: Budget } | null;

export default function BudgetsPage() {
  const t = useT("budgets");
  const words = useT("components");
  const found = useBudgets();
  const { remove } = useBudgetChanges();
  const [asking, setAsking] = useState<Asking>(null);
  const create = (
    <Button kind="primary" icon="plus" onPress={() => setAsking({ what: "edit", budget: null })}>
      {t.create}
    </Button>
  );
  const deleting = asking?.what === "delete" ? asking.budget : null;
  return (
    <Page title={t.title} help={t.help} actions={create}>
      {found.error && <ErrorNote error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Skeleton />}
      {found.data?.length === 0 && (
        <EmptyState title={t.emptyTitle} action={create} command="cloche budget create monthly --limit 100 --period month">
          {t.emptyHelp}
        </EmptyState>
      )}
      <div className="stack">
        {found.data?.map((budget) => (
          <Card key={budget.id} budget={budget} onEdit={() => setAsking({ what: "edit", budget })} onDelete={() => setAsking({ what: "delete", budget })} />
        ))}
      </div>
      {asking?.what === "edit" && <EditBudget budget={asking.budget} onClose={() => setAsking(null)} />}
      <ConfirmDialog
        open={deleting !== null}
        onClose={() => setAsking(null)}
        title={t.deleteTitle(deleting?.name ?? "")}
        action={words.delete}
        name={deleting?.name}
        onConfirm={async () => {
          if (deleting) await remove.mutateAsync(deleting.id);
          toast.ok(t.deleted);
        }}
      >
        <p>{t.deleteHelp}</p>
      </ConfirmDialog>
    </Page>
  );
}

function Card({ budget, onEdit, onDelete }: { budget: Budget; onEdit(): void; onDelete(): void }) {
  const t = useT("budgets");
  const words = useT("components");
  const format = useFormat();
  const subject = budget.subject ?? (budget.scope === "user" ? t.eachUser : t.everybody);
  const spent = budget.spent_usd >= budget.limit_usd;
  return (
    <section className="card" aria-label={budget.name}>
      <div className="card-head">
        <div className="row wrap">
          <h2 className="break">{budget.name}</h2>
          <Badge>{subject}</Badge>
          {spent && <Badge tone="bad">{budget.action === "refuse" ? t.refusing : t.overspent}</Badge>}
        </div>
        <div className="row">
          <IconButton small icon="edit" label={`${words.edit}: ${budget.name}`} onPress={onEdit} />
          <IconButton small icon="trash" label={`${words.delete}: ${budget.name}`} onPress={onDelete} />
        </div>
      </div>
      <div className="card-body stack">
        <Meter budget={budget} />
        <dl className="facts">
          <dt>{t.action}</dt>
          <dd>{t.actions[budget.action]}</dd>
          <dt>{t.resets}</dt>
          <dd title={format.dateTime(budget.resets_at)}>{format.ago(budget.resets_at)}</dd>
        </dl>
        <Alerts budget={budget} />
        <Users budget={budget} />
        <Unpriced budget={budget} />
      </div>
    </section>
  );
}

function Meter({ budget }: { budget: Budget }) {
  const t = useT("budgets");
  const format = useFormat();
  const share = Math.min(1, budget.spent_usd / budget.limit_usd);
  const tone = share >= 1 ? " bad" : share >= 0.8 ? " warn" : "";
  return (
    <div className="stack tight">
      <div className="row between wrap">
        <span>
          <strong className="nums">{t.spentOf(format.money(budget.spent_usd), format.money(budget.limit_usd))}</strong> <span className="faint">{t.perPeriod[budget.period]}</span>
        </span>
        <span className="nums faint">{format.percent(budget.spent_usd / budget.limit_usd)}</span>
      </div>
      <div className={`progress${tone}`} role="meter" aria-label={t.spent} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(share * 100)}>
        <span style={{ width: `${share * 100}%` }} />
      </div>
      {budget.reserved_usd > 0 && <span className="field-help">{t.reserved(format.money(budget.reserved_usd))}</span>}
    </div>
  );
}

function Alerts({ budget }: { budget: Budget }) {
  const t = useT("budgets");
  const format = useFormat();
  if (!budget.alerts.length) return null;
  return (
    <div className="row wrap">
      <span className="faint">{t.alerts}</span>
      {budget.alerts.map((alert) => (
        <Badge key={`${alert.threshold} ${alert.subject ?? ""}`} tone={alert.threshold >= 100 ? "bad" : "warn"}>
          {`${alert.subject ? `${alert.subject}: ` : ""}${t.reached(alert.threshold, format.ago(alert.at))}`}
        </Badge>
      ))}
    </div>
  );
}

const SHOWN = 10;

function Users({ budget }: { budget: Budget }) {
  const t = useT("budgets");
  const format = useFormat();
  if (!budget.users.length) return null;
  return (
    <details>
      <summary className="faint">{t.users}</summary>
      <dl className="facts">
        {budget.users.slice(0, SHOWN).map((user) => (
          <div key={user.subject} style={{ display: "contents" }}>
            <dt className="break">{user.subject}</dt>
            <dd className="nums">{t.spentOf(format.money(user.spent_usd), format.money(budget.limit_usd))}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

function Unpriced({ budget }: { budget: Budget }) {
  const t = useT("budgets");
  if (!budget.unpriced_entities.length) return null;
  return (
    <div className="banner warn" role="note">
      <div className="stack tight">
        <strong>{`${t.unpriced}: ${budget.unpriced_entities.join(", ")}`}</strong>
        <span>{t.unpricedHelp}</span>
      </div>
    </div>
  );
}
