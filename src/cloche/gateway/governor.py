"""Calls of endpoints that have gateway rules, in the order of the rules: who may, what may be said, whom to ask.

What lasts longer than a call, counts and states of this process, is held here.  A call of an endpoint without rules
never comes by.  Must not know how a rule is written.
"""

from __future__ import annotations

import random

from cloche.domain.outbound import Send
from cloche.gateway import routing
from cloche.gateway.asking import Request
from cloche.gateway.attempts import Attempts
from cloche.gateway.call import Call
from cloche.snapshot import CompiledEndpoint


class Governor:
    """`send`: how calls are begun."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def begin(self, call: Call, request: Request, compiled: CompiledEndpoint, entity: str | None) -> None:
        """Ask by the endpoint's rules.  `entity`: the only one that may be asked, if the caller names it.  A Problem if
        a rule forbids it, or the first target cannot be asked that."""
        assert compiled.rules is not None
        first = routing.choose(compiled, entity, random.random())  # noqa: S311 (a traffic split)
        others = () if entity is not None else routing.others(compiled, first)
        Attempts(call, request, compiled.rules, (first, *others)).start(self._send)
