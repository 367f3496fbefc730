"""Budgets, what each host has spent of them, and the alerts that were told.

Must not know what money is spent on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from cloche.domain.budget import Alert, Budget
from cloche.store.conflicts import adding
from cloche.store.tables import budget_alerts, budget_spending, budgets


class Spent(NamedTuple):
    """What one host has spent under a key, whose period ends then, and what its calls hold, which counts until
    `held_until`."""

    host: str
    digest: str
    ends: int
    spent: int
    held: int = 0
    held_until: int = 0


class BudgetTable:
    """Rows of `budgets`, `budget_spending` and `budget_alerts`, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Budget]:
        """Every budget, by name."""
        rows = self._connection.execute(select(budgets).order_by(budgets.c.name)).mappings()
        return [_budget(dict(row)) for row in rows]

    def put(self, budget: Budget) -> None:
        """Keep a budget, in place of the one with its id."""
        row = msgspec.structs.asdict(budget)
        row["limit_nano_usd"] = row.pop("limit")
        row["thresholds"] = msgspec.json.encode(budget.thresholds).decode()
        if not self._connection.execute(update(budgets).where(budgets.c.id == budget.id).values(row)).rowcount:
            self._connection.execute(insert(budgets).values(row))

    def remove(self, budget_id: str) -> None:
        """Forget a budget and its alerts.  What was spent is forgotten when its period is over."""
        self._connection.execute(delete(budget_alerts).where(budget_alerts.c.budget_id == budget_id))
        self._connection.execute(delete(budgets).where(budgets.c.id == budget_id))

    # ---------------------------------------------------------------- what is spent

    def note_spent(self, spent: Iterable[Spent]) -> None:
        """What a host has spent and holds, in place of what was known of it."""
        rows = [
            {
                "host": each.host,
                "digest": each.digest,
                "ends": each.ends,
                "spent_nano_usd": each.spent,
                "held_nano_usd": each.held,
                "held_until": each.held_until,
            }
            for each in spent
        ]
        if not rows:
            return
        row = adding(self._connection, budget_spending)
        renewed = {name: row.excluded[name] for name in ("spent_nano_usd", "held_nano_usd", "held_until")}
        replacing = row.on_conflict_do_update(index_elements=["host", "digest"], set_=renewed)
        self._connection.execute(replacing, rows)

    def spent(self, now: int) -> list[Spent]:
        """What every host has spent in the periods that are not over."""
        found = self._connection.execute(select(budget_spending).where(budget_spending.c.ends > now))
        return [
            Spent(row.host, row.digest, row.ends, row.spent_nano_usd, row.held_nano_usd, row.held_until)
            for row in found
        ]

    def forget_spent(self, before: int) -> None:
        """Forget the periods that were over at a moment."""
        self._connection.execute(delete(budget_spending).where(budget_spending.c.ends < before))

    # ---------------------------------------------------------------- alerts

    def tell(self, alert: Alert) -> bool:
        """Note an alert; whether nobody had noted it."""
        row = msgspec.structs.asdict(alert)
        row["limit_nano_usd"], row["spent_nano_usd"] = row.pop("limit"), row.pop("spent")
        new = adding(self._connection, budget_alerts).values(row).on_conflict_do_nothing()
        return self._connection.execute(new.returning(budget_alerts.c.threshold)).first() is not None

    def alerts(self, budget_ids: Iterable[str], since: int) -> list[Alert]:
        """Those of periods that began then or later, in the order in which they were told."""
        columns = budget_alerts.c
        wanted = select(budget_alerts).where(columns.budget_id.in_(list(budget_ids)), columns.starts >= since)
        rows = self._connection.execute(wanted.order_by(columns.at)).mappings()
        return [_alert(dict(row)) for row in rows]


def _budget(row: dict[str, Any]) -> Budget:
    row["limit"] = row.pop("limit_nano_usd")
    row["thresholds"] = tuple(msgspec.json.decode(row["thresholds"]))
    return Budget(**row)


def _alert(row: dict[str, Any]) -> Alert:
    row["limit"], row["spent"] = row.pop("limit_nano_usd"), row.pop("spent_nano_usd")
    return Alert(**row)
