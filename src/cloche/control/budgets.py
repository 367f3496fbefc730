"""Budgets made, changed, removed and shown, and alerts told once.

What a budget is about is kept by id, so that names may change.  Must not know HTTP, nor how money is counted.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from cloche.control.auditing import note
from cloche.control.directory import Directory
from cloche.control.publish import Publisher
from cloche.domain.access import Caller, Kind, Principal
from cloche.domain.budget import Alert, Budget, Period
from cloche.domain.errors import AlreadyExists, InvalidFields, NotFound, QuotaExceeded
from cloche.domain.money import dollars, nanos
from cloche.snapshot import CompiledEndpoint, Snapshot
from cloche.store.work import Work
from cloche.wire.budgets import AlertTold, BudgetInput, BudgetTold, SpentTold

MAX_BUDGETS = 1000

TELLER = Caller(Principal("", "cloche"), "")
"""Who tells of alerts in the audit log: nobody has asked for it."""

log = logging.getLogger("cloche.budgets")

Spent = Callable[[Budget, str], tuple[int, int, Period]]
"""What is spent of a budget by a subject, what is held of it, and the running period."""


class Budgets:
    """The use-cases.  `spent`: as it is counted on this host.  `now_ms` is the clock."""

    def __init__(self, publisher: Publisher, spent: Spent, now_ms: Callable[[], int]) -> None:
        self._publisher = publisher
        self._spent = spent
        self._now_ms = now_ms

    def all(self) -> list[BudgetTold]:
        """Every budget, by name.  Raises StoreUnreachable."""
        snapshot = self._publisher.current()
        return self._told(snapshot, snapshot.state.budgets)

    def get(self, budget_id: str) -> BudgetTold:
        """One budget.  Raises NotFound, StoreUnreachable."""
        snapshot = self._publisher.current()
        [told] = self._told(snapshot, [_found(snapshot.state.budgets, budget_id)])
        return told

    def create(self, caller: Caller, asked: BudgetInput) -> BudgetTold:
        """Make a budget.  Raises AlreadyExists, InvalidFields, QuotaExceeded."""
        budget_id = secrets.token_hex(16)
        with self._publisher.change() as work:
            budgets = work.budgets.all()
            if len(budgets) >= MAX_BUDGETS:
                raise QuotaExceeded(f"There are {MAX_BUDGETS} budgets already: delete one first.")
            now = self._now_ms()
            new = Budget(budget_id, "", "workspace", "", "month", 0, "refuse", (), now, caller.principal.name)
            work.budgets.put(self._budget(work, asked, budgets, new))
            note(work, caller, "budget.create", asked.name, now, after=asked)
        return self.get(budget_id)

    def change(self, caller: Caller, budget_id: str, asked: BudgetInput) -> BudgetTold:
        """Make a budget another.  What is spent of it stays spent while it is about the same.  Raises NotFound,
        AlreadyExists, InvalidFields."""
        with self._publisher.change() as work:
            budgets = work.budgets.all()
            before = _found(budgets, budget_id)
            work.budgets.put(self._budget(work, asked, budgets, before))
            note(work, caller, "budget.change", asked.name, self._now_ms(), before=_plain(before), after=asked)
        return self.get(budget_id)

    def remove(self, caller: Caller, budget_id: str) -> None:
        """Forget a budget.  Raises NotFound."""
        with self._publisher.change() as work:
            before = _found(work.budgets.all(), budget_id)
            work.budgets.remove(budget_id)
            note(work, caller, "budget.delete", before.name, self._now_ms(), before=_plain(before))

    def tell(self, alerts: Sequence[Alert]) -> None:
        """Note alerts, and tell those in the log and the audit log that nobody has told.  Raises StoreUnreachable."""
        snapshot = self._publisher.current()
        names = {each.id: each for each in snapshot.state.budgets}
        new = []
        with self._publisher.store.write(publish=False) as work:
            for alert in alerts:
                budget = names.get(alert.budget_id)
                if budget is not None and work.budgets.tell(alert):
                    new.append((budget, alert))
                    told = _alert_told(alert, budget, snapshot)
                    note(work, TELLER, "budget.alert", budget.name, alert.at, after=told)
        for budget, alert in new:
            log.warning(
                "the budget '%s' is used to %d %%: USD %.2f of %.2f a %s",
                budget.name,
                alert.threshold,
                dollars(alert.spent),
                dollars(alert.limit),
                budget.period,
            )

    def _budget(self, work: Work, asked: BudgetInput, budgets: Iterable[Budget], before: Budget) -> Budget:
        """What is asked for, in the place of what was before."""
        if any(each.name == asked.name and each.id != before.id for each in budgets):
            raise AlreadyExists(f"There is a budget named '{asked.name}' already.")
        subject = _subject(work, asked)
        if asked.scope == "endpoint":
            compiled = self._publisher.current().with_id(subject)
            unpriced = [] if compiled is None else _unpriced([compiled])
            if unpriced:
                told = f"the price of {', '.join(unpriced)} is not known: give it in the endpoint's ai_gateway.prices"
                raise InvalidFields([("subject", told)])
        return replace(
            before,
            name=asked.name,
            scope=asked.scope,
            subject=subject,
            period=asked.period,
            limit=nanos(asked.limit_usd),
            action=asked.action,
            thresholds=tuple(sorted(asked.thresholds)),
        )

    def _told(self, snapshot: Snapshot, budgets: Sequence[Budget]) -> list[BudgetTold]:
        now_seconds = self._now_ms() // 1000
        with self._publisher.store.read() as work:
            alerts = work.budgets.alerts([each.id for each in budgets], now_seconds - 32 * 86_400)
        return [
            self._one(snapshot, each, [alert for alert in alerts if alert.budget_id == each.id]) for each in budgets
        ]

    def _one(self, snapshot: Snapshot, budget: Budget, alerts: Sequence[Alert]) -> BudgetTold:
        spent, held, period = self._spent(budget, budget.subject)
        users = []
        if budget.of_each_user:
            for principal in snapshot.principals.values():
                own, own_held, _ = self._spent(budget, principal.id)
                if own or own_held:
                    users.append((own, own_held, principal.name))
            users.sort(reverse=True)
            spent, held = users[0][:2] if users else (0, 0)
        endpoints = snapshot.endpoints.values()
        return BudgetTold(
            id=budget.id,
            name=budget.name,
            scope=budget.scope,
            subject=_name(snapshot, budget),
            period=budget.period,
            limit_usd=dollars(budget.limit),
            action=budget.action,
            thresholds=list(budget.thresholds),
            spent_usd=dollars(spent),
            reserved_usd=dollars(held),
            starts_at=period.starts * 1000,
            resets_at=period.ends * 1000,
            alerts=[_alert_told(each, budget, snapshot) for each in alerts if each.starts == period.starts],
            users=[SpentTold(name, dollars(own), dollars(own_held)) for own, own_held, name in users],
            unpriced_entities=_unpriced(each for each in endpoints if budget in each.budgets),
            created_at=budget.created_at,
            created_by=budget.created_by,
        )


def _subject(work: Work, asked: BudgetInput) -> str:
    """The id of what is named.  Raises InvalidFields."""
    if not asked.subject:
        return ""
    if asked.scope == "endpoint":
        found = next((each.id for each in work.endpoints.all() if each.name == asked.subject), None)
    else:
        directory = Directory.of(work)
        kinds = (Kind.GROUP,) if asked.scope == "group" else (Kind.USER, Kind.SERVICE_PRINCIPAL)
        found = next((each for kind in kinds if (each := directory.named(kind, asked.subject)) is not None), None)
    if found is None:
        raise InvalidFields([("subject", f"there is no {asked.scope} named '{asked.subject}'")])
    return found


def _name(snapshot: Snapshot, budget: Budget) -> str | None:
    """What is shown of a subject: its name, or its id where it is gone."""
    if not budget.subject:
        return None
    if budget.scope == "endpoint":
        compiled = snapshot.with_id(budget.subject)
        return budget.subject if compiled is None else compiled.endpoint.name
    if budget.scope == "user":
        return _user(snapshot, budget.subject)
    return next((each.name for each in snapshot.state.groups if each.id == budget.subject), budget.subject)


def _user(snapshot: Snapshot, principal_id: str) -> str:
    found = snapshot.principals.get(principal_id)
    return principal_id if found is None else found.name


def _alert_told(alert: Alert, budget: Budget, snapshot: Snapshot) -> AlertTold:
    subject = _user(snapshot, alert.subject) if budget.of_each_user else None
    return AlertTold(alert.threshold, alert.at, dollars(alert.spent), dollars(alert.limit), subject)


def _unpriced(endpoints: Iterable[CompiledEndpoint]) -> list[str]:
    return sorted(
        f"{each.endpoint.name}/{target.entity}"
        for each in endpoints
        for target in each.targets.values()
        if target.price is None
    )


def _found(budgets: Iterable[Budget], budget_id: str) -> Budget:
    for each in budgets:
        if each.id == budget_id:
            return each
    raise NotFound(f"There is no budget with the id '{budget_id}'.")


def _plain(budget: Budget) -> dict[str, object]:
    return {
        "name": budget.name,
        "scope": budget.scope,
        "period": budget.period,
        "limit_usd": dollars(budget.limit),
        "action": budget.action,
        "thresholds": list(budget.thresholds),
    }
