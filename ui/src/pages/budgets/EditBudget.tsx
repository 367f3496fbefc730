/** A new budget, or another shape for one that is there. */
import { useState } from "react";
import { ACTIONS, type Action, type Budget, type BudgetInput, PERIODS, type Period, type Scope, SCOPES, useBudgetChanges } from "~/api/budgets";
import { Button } from "~/components/Button";
import { Dialog } from "~/components/Dialog";
import { Select, TextField } from "~/components/fields";
import { ErrorNote } from "~/components/states";
import { toast } from "~/components/Toast";
import { useT } from "~/i18n";
import { thresholdsOf } from "./thresholds";

export function EditBudget({ budget, onClose }: { budget: Budget | null; onClose(): void }) {
  const t = useT("budgets");
  const words = useT("components");
  const { save } = useBudgetChanges();
  const [name, setName] = useState(budget?.name ?? "");
  const [scope, setScope] = useState<Scope>(budget?.scope ?? "workspace");
  const [subject, setSubject] = useState(budget?.subject ?? "");
  const [period, setPeriod] = useState<Period>(budget?.period ?? "month");
  const [limit, setLimit] = useState(budget ? String(budget.limit_usd) : "");
  const [action, setAction] = useState<Action>(budget?.action ?? "refuse");
  const [thresholds, setThresholds] = useState((budget?.thresholds ?? [80, 100]).join(", "));
  const amount = Number(limit);
  const told = thresholdsOf(thresholds);
  const ready = name.trim() !== "" && limit.trim() !== "" && Number.isFinite(amount) && told !== null;
  const submit = () => {
    if (!ready) return;
    const body: BudgetInput = { name: name.trim(), scope, subject: scope === "workspace" ? null : subject.trim() || null, period, limit_usd: amount, action, thresholds: told };
    save.mutate(
      { id: budget?.id ?? null, body },
      {
        onSuccess: () => {
          toast.ok(t.saved);
          onClose();
        },
      },
    );
  };
  const choices = <Id extends string>(ids: readonly Id[], labels: Record<Id, string>) => ids.map((id) => ({ id, label: labels[id] }));
  return (
    <Dialog
      open
      onClose={onClose}
      title={budget ? t.edit : t.create}
      foot={
        <>
          <Button onPress={onClose}>{words.cancel}</Button>
          <Button kind="primary" busy={save.isPending} isDisabled={!ready} onPress={submit}>
            {budget ? words.save : words.create}
          </Button>
        </>
      }
    >
      <TextField label={t.name} value={name} onChange={setName} onEnter={submit} autoFocus />
      <Select label={t.scope} value={scope} onChange={(id) => setScope(id as Scope)} choices={choices(SCOPES, t.scopes)} />
      {scope !== "workspace" && (
        <TextField label={t.subjects[scope]} help={scope === "user" ? t.userHelp : undefined} optional={scope === "user"} value={subject} onChange={setSubject} onEnter={submit} />
      )}
      <div className="grid-2">
        <TextField label={t.limit} value={limit} onChange={setLimit} type="number" error={limit && !Number.isFinite(amount) ? t.notANumber : null} onEnter={submit} />
        <Select label={t.period} value={period} onChange={(id) => setPeriod(id as Period)} choices={choices(PERIODS, t.periods)} />
      </div>
      <Select label={t.action} value={action} onChange={(id) => setAction(id as Action)} choices={choices(ACTIONS, t.actions)} />
      <TextField label={t.thresholds} help={t.thresholdsHelp} value={thresholds} onChange={setThresholds} error={told === null ? t.notANumber : null} onEnter={submit} />
      {save.error && <ErrorNote error={save.error} />}
    </Dialog>
  );
}
