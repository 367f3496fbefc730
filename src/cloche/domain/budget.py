"""Budgets: how much money may be spent in a period, by whom or where.

Amounts are nano-dollars, times Unix seconds unless a name says otherwise.  Must not know what is spent.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from msgspec import Struct

Scope = Literal["workspace", "endpoint", "user", "group"]
PeriodName = Literal["day", "week", "month"]
Action = Literal["alert", "refuse"]


class Budget(Struct, frozen=True):
    """One budget.  `subject`: the id of the endpoint, principal or group; empty: the workspace's, or each user's own.

    `limit`: in a period.  `action`: what happens when it is used up.  `thresholds`: per cent of it at which somebody is
    told.  `created_at`: Unix milliseconds; `created_by`: a principal's name.
    """

    id: str
    name: str
    scope: Scope
    subject: str
    period: PeriodName
    limit: int
    action: Action
    thresholds: tuple[int, ...]
    created_at: int
    created_by: str

    @property
    def of_each_user(self) -> bool:
        """Whether every principal has it by themselves."""
        return self.scope == "user" and not self.subject


class Period(NamedTuple):
    """From its start to before its end, which is the next one's start."""

    starts: int
    ends: int


def period_at(name: PeriodName, now: float) -> Period:
    """The period that a moment is in, by the calendar of UTC; weeks begin on Monday."""
    midnight = datetime.fromtimestamp(int(now), UTC).replace(hour=0, minute=0, second=0)
    if name == "day":
        first, after = midnight, midnight + timedelta(days=1)
    elif name == "week":
        first = midnight - timedelta(days=midnight.weekday())
        after = first + timedelta(days=7)
    else:
        first = midnight.replace(day=1)
        after = (first + timedelta(days=32)).replace(day=1)
    return Period(int(first.timestamp()), int(after.timestamp()))


class Alert(Struct, frozen=True):
    """A threshold that was reached: told once in a period.  `subject`: whose money it was, as in Budget, and of a
    budget of each user the user's id.  `at`: Unix milliseconds."""

    budget_id: str
    subject: str
    starts: int
    threshold: int
    at: int
    spent: int
    limit: int
