"""Budgets that are kept over several hosts: a call waits for the answer, and goes on or is refused.

Where nobody can tell what all hosts have spent and hold, it is counted on this host alone or refused, as the operator
chose.  A call that only costs budgets which alert waits for nobody.  Must not know how anything is counted, or what
follows.
"""

from __future__ import annotations

from collections.abc import Callable

from cloche.domain.errors import BudgetExceeded
from cloche.gateway.asking import Request
from cloche.gateway.budgets import Budgets
from cloche.gateway.call import Call
from cloche.gateway.counters import UNLIMITED
from cloche.gateway.shared_money import Admitted, SharedMoney
from cloche.gateway.waiting import Waiting, cannot_tell
from cloche.snapshot import CompiledEndpoint


class SharedBudgets:
    """`budgets`: which fit, and counts on this host."""

    def __init__(self, budgets: Budgets, money: SharedMoney) -> None:
        self._budgets = budgets
        self._money = money

    def reserve(self, call: Call, request: Request, compiled: CompiledEndpoint, go_on: Callable[[], None]) -> None:
        """Hold what the call may cost, and go on if there is room for it; else it fails.  A Problem if nobody has to be
        asked, and it cannot go on."""
        budgets, money = self._budgets, self._money
        asked = budgets.asked(call, request, compiled)
        if asked is None:
            go_on()
            return
        limited = [index for index, each in enumerate(asked.charges) if each.limit != UNLIMITED]
        if not limited:
            budgets.hold(call, asked)
            go_on()
            return

        def counted(admitted: Admitted | None) -> None:
            if admitted is None and money.valkey.refuses:
                raise cannot_tell("budgets")
            if admitted is None:
                budgets.hold(call, asked, money)
                money.add(asked.charges)
            elif admitted.refused is not None:
                raise budgets.refused(asked, limited[admitted.refused], admitted.spent[-1])
            else:
                try:
                    budgets.hold(call, asked, money, has_room=True)
                except BudgetExceeded:
                    money.settle(asked.charges)
                    raise
            go_on()

        def undo(admitted: Admitted) -> None:
            if admitted.refused is None:
                money.settle(asked.charges)

        money.take(asked.charges, Waiting(call, counted, undo).told)
