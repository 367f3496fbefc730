"""Where a served entity's calls go, and in whose name: all of a call but its body, made when it is bound."""

from __future__ import annotations

from typing import NamedTuple

from cloche.domain.errors import Problem
from cloche.domain.lending import Authorizer
from cloche.domain.outbound import HttpCall, Origin
from cloche.providers.base import refusal


class Site(NamedTuple):
    """`provider`: its name in messages.  `head`, `authorizer`: as HttpCall has them."""

    provider: str
    origin: Origin
    head: bytes
    authorizer: Authorizer | None = None

    def __repr__(self) -> str:
        """Without the head: it may hold a key."""
        return f"Site({self.provider!r}, {self.origin!r})"

    def call(self, body: bytes) -> HttpCall:
        """A call with that body."""
        return HttpCall(self.origin, self.head, (body,), self.authorizer)

    def refusal(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """What an answer other than 200 means, by the table in base.py."""
        return refusal(self.provider, status, headers, body, self.head)
