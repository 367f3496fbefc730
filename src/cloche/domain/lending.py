"""Credentials that are lent for a while: how they are obtained, and how a call bears them.

Some providers take no key as it is: a token must be fetched first, with a key or with what the host is, and serves for
an hour; or each call is signed with keys that are themselves lent.  A `Source` says, step by step and without doing any
of it, how to obtain such a thing; an `Authorizer` puts it on a call.  Who takes the steps, keeps the result and renews
it in time is gateway/credentials.py.  Must not know providers, clocks or sockets.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Literal, NamedTuple, Protocol

import msgspec

from cloche.domain.outbound import HttpCall


class FromHost(NamedTuple):
    """A step: read a file, or a variable of the environment, of the machine that cloche runs on.

    Only where the operator lets served entities use what belongs to the host.
    """

    kind: Literal["file", "variable"]
    name: str


class Found(NamedTuple):
    """What a step gave.  Of FromHost: status 200 and the text as `body`, or 404.  `headers`: as Receiver.on_head."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes

    def __repr__(self) -> str:
        """Without the body: it may be a key."""
        return f"Found({self.status})"


class Lent(msgspec.Struct, frozen=True):
    """What was obtained.  `values`: the token, or the keys, by name.  `expires_at`: Unix seconds; None: never."""

    values: Mapping[str, str]
    expires_at: float | None = None

    def __repr__(self) -> str:
        """Without the values: they are secrets."""
        return f"Lent(expires_at={self.expires_at})"


Steps = Generator[HttpCall | FromHost, Found, Lent]
"""How something is obtained: each step is yielded, and its outcome sent in.  Raises a Problem when it cannot be."""


class Source(Protocol):
    """Where credentials come from.  Hashable: two that are equal lend the same, and share it."""

    def obtain(self, now: float) -> Steps:
        """The steps.  `now`: Unix seconds."""

    def __hash__(self) -> int: ...

    def __eq__(self, other: object, /) -> bool: ...


class Authorizer(Protocol):
    """Completes calls with what was lent."""

    @property
    def source(self) -> Source:
        """Where it is lent."""

    def authorize(self, call: HttpCall, lent: Lent, now: float) -> HttpCall:
        """The call as it is sent, its credentials in the head.  `now`: Unix seconds."""


def lines(call: HttpCall, fields: Mapping[str, str]) -> HttpCall:
    """The call with further header fields.  Their values are printable ASCII."""
    added = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return HttpCall(call.origin, call.head + added.encode("ascii"), call.body)
