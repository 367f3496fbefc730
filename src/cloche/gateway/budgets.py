"""Budgets: which of them a call may cost, and money held under all of them until it is known what it cost.

A call holds the most that it may cost: its prompt and its longest answer, estimated as for rate limits, at the dearest
of the endpoint's entities.  It is refused where that is more than a budget has left.  At its end what it cost is kept,
by the provider's count or by the estimate, with what a hedge's loser was asked.  A call costs 15 µs more with one
budget, 22 µs with three.  Must not know how money is counted, nor where alerts go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from cloche.domain.access import Principal
from cloche.domain.budget import Alert, Budget, Period, period_at
from cloche.domain.chat import Usage
from cloche.domain.errors import BudgetExceeded
from cloche.domain.money import Price, dollars
from cloche.gateway.asking import Request
from cloche.gateway.budget_counters import BudgetCounters, Charge
from cloche.gateway.call import Call
from cloche.gateway.counters import UNLIMITED, Key, key_of
from cloche.gateway.reservation import Meter, asked, estimate, used
from cloche.snapshot import CompiledEndpoint, Target

_FITTING_KEPT = 50_000
"""Callers of endpoints whose budgets are remembered; beyond that all are found anew."""

_MOST = 10**15 + 1
"""Nano-dollars that a call holds at most: more than any limit is, so that sums of them stay within 64 bits."""

_WHOLE = 100
"""Per cent."""


class _Fit(NamedTuple):
    """A budget in its running period.  `subject`: whose money it is, as in Alert."""

    budget: Budget
    subject: str
    period: Period
    key: Key


class _Fitting(NamedTuple):
    """The budgets that a caller of an endpoint may cost, found for both as they were then, until a period ends.

    `prices`: of the endpoint's entities; `unpriced`: one of them whose price is not known, if there is one.
    """

    compiled: CompiledEndpoint
    principal: Principal
    until: float
    fits: tuple[_Fit, ...]
    prices: tuple[Price, ...]
    unpriced: str | None


class Asked(NamedTuple):
    """What one call may cost, under the budgets that fit it.  `expected`: tokens of prompt and answer."""

    fits: tuple[_Fit, ...]
    charges: list[Charge]
    expected: tuple[int, int]


class Settling(Protocol):
    """Where what a call holds is counted besides."""

    def settle(self, charges: Sequence[Charge]) -> None:
        """It holds this no longer."""


class Budgets:
    """`alerts`: thresholds that were reached, each once for this process; whoever takes them
    tells each once for all."""

    def __init__(self, counters: BudgetCounters) -> None:
        self.counters = counters
        self._fitting: dict[tuple[str, str], _Fitting] = {}
        self._told: dict[tuple[str, int], int] = {}
        self.alerts: deque[Alert] = deque(maxlen=10_000)

    def reserve(self, call: Call, request: Request, compiled: CompiledEndpoint) -> None:
        """Hold what the call may cost.  BudgetExceeded if a budget has no room for it."""
        asked = self.asked(call, request, compiled)
        if asked is not None:
            self.hold(call, asked)

    def asked(self, call: Call, request: Request, compiled: CompiledEndpoint) -> Asked | None:
        """What the call may cost; None if no budget fits it.  BudgetExceeded if that is not known."""
        assert call.grant is not None
        fitting = self._of(call.grant.principal, compiled)
        if not fitting.fits:
            return None
        expected = estimate(request)
        amount = max((price.most(*expected) for price in fitting.prices), default=0)
        prompt = max((price.most(expected[0], 0) for price in fitting.prices), default=0)
        if compiled.rules is not None and compiled.rules.hedging_config is not None:
            amount += prompt  # of the one that is stopped it is paid
        amount = min(amount, _MOST)
        charges = []
        for budget, _, period, key in fitting.fits:
            refuses = budget.action == "refuse"
            if refuses and fitting.unpriced is not None:
                raise BudgetExceeded(
                    f"The price of '{fitting.unpriced}', a served entity of '{compiled.endpoint.name}', is not known, "
                    f"and the budget '{budget.name}' lets nothing through that cannot be counted: give it a price in "
                    "the endpoint's ai_gateway.prices."
                )
            limit = budget.limit if refuses else UNLIMITED
            charges.append(Charge(key, period.ends, limit, amount, min(prompt, amount)))
        return Asked(fitting.fits, charges, expected)

    def hold(self, call: Call, asked: Asked, besides: Settling | None = None, *, has_room: bool = False) -> None:
        """Hold it on this host.  `besides`: where it is held, too.  `has_room`: somebody has seen to that already.
        BudgetExceeded if a budget has no room for it."""
        charges = asked.charges
        held = self.counters.take([each._replace(limit=UNLIMITED) for each in charges] if has_room else charges)
        if held.full:
            raise BudgetExceeded("cloche cannot count any more budgets at the moment, and lets nothing through.")
        if held.refused is not None:
            raise self.refused(asked, held.refused, held.spent[held.refused])
        call.spending = spending = Spending(self, asked, besides)
        if call.tracked is None:
            call.reply = spending.meter = Meter(call.reply)

    def refused(self, asked: Asked, index: int, spent: int) -> BudgetExceeded:
        """One of the budgets has no room for it: the words for the caller.  It counts as used up."""
        fit = asked.fits[index]
        self._reached(fit, spent, refuses=True)
        return BudgetExceeded(self._words(fit, spent, asked.charges[index].amount))

    def settled(self, asked: Asked, cost: int) -> None:
        """A call that held so much has ended, and cost that."""
        for fit, spent in zip(asked.fits, self.counters.settle(asked.charges, cost), strict=True):
            self._reached(fit, spent)

    def spent(self, budget: Budget, subject: str) -> tuple[int, int, Period]:
        """What is spent in the running period, what is held, and that period.  From any thread."""
        period = period_at(budget.period, self.counters.now())
        entry = self.counters.find(_key(budget, subject, period))
        if entry is None:
            return 0, 0, period
        return entry.spent + entry.spent_elsewhere, entry.held + entry.held_elsewhere, period

    def _reached(self, fit: _Fit, spent: int, *, refuses: bool = False) -> None:
        """Tell what was reached and has not been told.  The whole is, too, where a call is refused."""
        budget = fit.budget
        for threshold in budget.thresholds:
            if spent * 100 < budget.limit * threshold and not (refuses and threshold == _WHOLE):
                continue
            at = (f"{budget.id} {fit.subject}", threshold)
            # A limit that was raised may be reached again; the period may be over.
            mark = hash((fit.period.starts, budget.limit))
            if self._told.get(at) != mark:
                if len(self._told) > _FITTING_KEPT:
                    self._told.clear()
                self._told[at] = mark
                now = int(self.counters.now() * 1000)
                self.alerts.append(
                    Alert(budget.id, fit.subject, fit.period.starts, threshold, now, spent, budget.limit)
                )

    def _of(self, principal: Principal, compiled: CompiledEndpoint) -> _Fitting:
        at = (compiled.endpoint.id, principal.id)
        fitting = self._fitting.get(at)
        now = self.counters.now()
        if (
            fitting is None
            or fitting.compiled is not compiled
            or fitting.principal is not principal
            or now >= fitting.until
        ):
            if len(self._fitting) >= _FITTING_KEPT:
                self._fitting.clear()
            fits = tuple(_fits(principal, compiled.budgets, now))
            targets = compiled.targets.values()
            fitting = self._fitting[at] = _Fitting(
                compiled,
                principal,
                min((fit.period.ends for fit in fits), default=now + 86_400),
                fits,
                tuple({each.price for each in targets if each.price is not None}),
                next((each.entity for each in targets if each.price is None), None),
            )
        return fitting

    def _words(self, fit: _Fit, spent: int, amount: int) -> str:
        """What the caller is told: which budget, what of it is left, and when it begins anew."""
        budget = fit.budget
        anew = datetime.fromtimestamp(fit.period.ends, UTC)
        left = max(0, budget.limit - spent)
        whose = {"workspace": "of all", "endpoint": "of this endpoint", "group": "of your group", "user": "of your own"}
        return (
            f"The budget '{budget.name}' ({whose[budget.scope]}, USD {_usd(budget.limit)} a {budget.period}) has USD "
            f"{_usd(left)} left, and this call may cost USD {_usd(amount)}: USD {_usd(spent)} are spent or held by "
            f"calls under way. It begins anew at {anew:%Y-%m-%dT%H:%M:%SZ}."
        )


class Spending:
    """What one call holds."""

    __slots__ = ("_asked", "_besides", "_budgets", "meter")

    def __init__(self, budgets: Budgets, asked: Asked, besides: Settling | None) -> None:
        self._budgets = budgets
        self._asked = asked
        self._besides = besides
        self.meter: Meter | None = None

    def settle(self, call: Call) -> None:
        """The call has ended: keep what it cost, and give the rest back."""
        expected = self._asked.expected
        cost = _cost(call.target, used(call, expected, self.meter))
        if call.hedge is not None:
            cost += _cost(call.hedge, Usage(asked(call, expected[0]), 0))
        self.meter = None  # it holds the reply, which holds the call
        self._budgets.settled(self._asked, cost)
        if self._besides is not None:
            self._besides.settle(self._asked.charges)


def _cost(target: Target | None, usage: Usage) -> int:
    """Of one target; nobody who was asked costs nothing, nor does what has no price: such calls are only let through
    where a budget alerts."""
    return 0 if target is None or target.price is None else target.price.cost(usage)


def _fits(principal: Principal, budgets: tuple[Budget, ...], now: float) -> Iterator[_Fit]:
    for budget in budgets:
        if budget.scope == "user" and budget.subject not in ("", principal.id):
            continue
        if budget.scope == "group" and budget.subject not in principal.groups:
            continue
        subject = principal.id if budget.of_each_user else budget.subject
        period = period_at(budget.period, now)
        yield _Fit(budget, subject, period, _key(budget, subject, period))


def _key(budget: Budget, subject: str, period: Period) -> Key:
    return key_of("budget", budget.id, subject, budget.period, str(period.starts))


def _usd(amount: int) -> str:
    """Dollars, to the cent or, of small amounts, to what tells them apart."""
    told = f"{dollars(amount):.6f}".rstrip("0")
    whole, _, cents = told.partition(".")
    return f"{whole}.{cents:0<2}"
