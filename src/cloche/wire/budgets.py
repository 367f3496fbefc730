"""The budget API's JSON.

Must not know how money is counted, nor who may see what.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from cloche.domain.ai_gateway import Dollars
from cloche.domain.budget import Action, PeriodName, Scope
from cloche.domain.errors import InvalidFields
from cloche.wire.serving_reading import parsed, read

Threshold = Annotated[int, Meta(ge=1, le=100)]


class BudgetInput(Struct, frozen=True, forbid_unknown_fields=True):
    """A budget as it is asked for.  `subject`: the name of the endpoint, of the user (or application id of the service
    principal) or of the group; none: the workspace's, or each user's own.  `thresholds`: per cent."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    scope: Scope
    period: PeriodName
    limit_usd: Dollars
    subject: str | None = None
    action: Action = "refuse"
    thresholds: list[Threshold] = msgspec.field(default_factory=lambda: [80, 100])


class AlertTold(Struct, frozen=True, omit_defaults=True):
    """A threshold that was reached in the running period.  `at`: Unix milliseconds.  `subject`: whose budget it was,
    where each user has one."""

    threshold: int
    at: int
    spent_usd: float
    limit_usd: float
    subject: str | None = None


class SpentTold(Struct, frozen=True):
    """What one user has spent of a budget that each has.  `reserved_usd`: held by calls under way."""

    subject: str
    spent_usd: float
    reserved_usd: float


class BudgetTold(Struct, frozen=True):
    """A budget with its running period.  `spent_usd`, `reserved_usd`: of a budget of each user, those of who has spent
    most.  `users`: those who have spent something of it, the most first.  Times are Unix milliseconds.

    `unpriced_entities`: served entities, as ENDPOINT/ENTITY, whose price is not known: their calls are refused, or, by
    a budget that alerts, not counted.
    """

    id: str
    name: str
    scope: Scope
    subject: str | None
    period: PeriodName
    limit_usd: float
    action: Action
    thresholds: list[int]
    spent_usd: float
    reserved_usd: float
    starts_at: int
    resets_at: int
    alerts: list[AlertTold]
    users: list[SpentTold]
    unpriced_entities: list[str]
    created_at: int
    created_by: str


class BudgetsTold(Struct, frozen=True):
    """The answer to list."""

    budgets: list[BudgetTold]


def read_budget(body: bytes) -> BudgetInput:
    """What is asked for.  Raises BadRequest, InvalidFields."""
    asked = read(parsed(body), BudgetInput)
    faults = []
    if asked.scope in ("endpoint", "group") and not asked.subject:
        faults.append(("subject", f"this field is required with the scope '{asked.scope}'"))
    if asked.scope == "workspace" and asked.subject:
        faults.append(("subject", "does not belong to the scope 'workspace'"))
    if not asked.limit_usd:
        faults.append(("limit_usd", "must be more than 0; to keep somebody out, take their permission"))
    if len(set(asked.thresholds)) < len(asked.thresholds) or len(asked.thresholds) > _MOST_THRESHOLDS:
        faults.append(("thresholds", f"must be at most {_MOST_THRESHOLDS}, each once"))
    if faults:
        raise InvalidFields(faults)
    return asked


_MOST_THRESHOLDS = 10
