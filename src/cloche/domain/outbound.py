"""What providers say and `upstream/` does: one HTTP call to a provider, as plain data.

A provider renders the head of its calls once, when a configuration is published, so that a call costs no header work.
Where a credential lasts for an hour only, or signs each call for itself, the call names its `Authorizer`, who
completes it when it is sent (domain/lending.py).  Heads hold credentials: nothing here may be logged, and `repr` shows
none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from cloche.domain.errors import Problem

if TYPE_CHECKING:
    from cloche.domain.lending import Authorizer

BytesLike = bytes | bytearray | memoryview | msgspec.Raw
"""What may stand in a body: anything that `bytes.join` takes without copying it first."""

OPEN_FIELDS = frozenset(
    ("host", "content-type", "accept-encoding", "user-agent", "openai-organization", "anthropic-version")
)
"""Header fields of calls whose values are no secrets; any other may be one."""


class Origin(msgspec.Struct, frozen=True, cache_hash=True):
    """Where a call goes.  Connections are pooled by origin.

    `unix_path` set: a Unix socket, and host/port only name it.  `reuse` false: one connection per call.
    `of_host`: an address of the machine's own services, which nobody configured: it may be called although private.
    `of_operator`: one that the operator of this server has named: it may be, too.
    """

    host: str
    port: int
    tls: bool = False
    unix_path: str | None = None
    reuse: bool = True
    of_host: bool = False
    of_operator: bool = False


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds, each at least 0.1: to connect; from then until the head of the answer is there; between bytes of the
    body; for the whole call."""

    connect: float = 5.0
    first_byte: float = 120.0
    between_bytes: float = 60.0
    total: float = 597.0


class HttpCall:
    """One request.  `head`: request line and header fields, each ended by CRLF, without Content-Length and without
    the empty line.  `body`: pieces that are written one after another.  `authorizer`: who adds the credentials when the
    call is sent; None: they are in the head, or it needs none."""

    __slots__ = ("authorizer", "body", "head", "origin")

    def __init__(
        self, origin: Origin, head: bytes, body: Sequence[BytesLike], authorizer: Authorizer | None = None
    ) -> None:
        self.origin = origin
        self.head = head
        self.body = body
        self.authorizer = authorizer

    def __repr__(self) -> str:
        return f"HttpCall({self.origin.host}:{self.origin.port})"


class Receiver(Protocol):
    """Who is told of an answer.  The order is on_head, on_data*, then exactly one of on_end and on_failure; on_failure
    may come at any time, also alone.  After it, or after the exchange was cancelled, nothing more is called."""

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Status and headers (names in lower case; of a repeated field the last value counts).  Retry-After of a
        refusal is in seconds, also where the other side had named a date."""

    def on_data(self, data: bytes) -> None:
        """A piece of the body, already out of its transfer encoding; never empty."""

    def on_end(self) -> None:
        """The body is complete."""

    def on_failure(self, problem: Problem) -> None:
        """The answer will not come, or not to its end."""


class Exchange(Protocol):
    """The caller's handle on a call under way."""

    def pause(self) -> None:
        """Read no more from the provider until `resume`: the client is slow.  What has been read already still comes.
        The pause counts towards no time-out but `total`."""

    def resume(self) -> None:
        """Read on."""

    def cancel(self) -> None:
        """Nobody wants the answer: close the connection at once.  Harmless when the exchange is over."""


Send = Callable[[HttpCall, Receiver, Timeouts], Exchange]
"""How a call is begun: upstream/'s entry, as everybody above it knows it."""
