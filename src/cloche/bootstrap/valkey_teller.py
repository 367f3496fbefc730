"""How a host tells the Valkey that several hosts share what all of them have spent: what has grown, and everything once
it has forgotten everything; and which of its processes hold nothing any more, because they have ended.

It is asked by a thread, over a connection of its own, and may be away: then it is told the next time.  Must not know
what is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cloche.gateway.counters import Key
from cloche.gateway.shared_money import Total, forget, tell
from cloche.gateway.valkey import Command, faults, waiting_connection_to

BATCH = 500
"""Sums in one command, which takes Valkey a millisecond."""


class ValkeyTeller:
    """`deployment`: names what all hosts of one database count."""

    def __init__(self, url: str, deployment: str) -> None:
        self._connection = waiting_connection_to(url)
        self._deployment = deployment
        self._faults = faults()
        self._since = b""
        self._known: dict[tuple[str, Key], int] = {}

    def tell(self, totals: Iterable[Total], gone: Sequence[str] = ()) -> None:
        """Tell it what it has not been told, and of the processes that are gone: once, they are forgotten anyhow."""
        wanted = [each for each in totals if each.spent]
        try:
            for each in gone:
                self._ask(forget(each))
            since = self._say([each for each in wanted if self._known.get((each.host, each.key)) != each.spent])
            if since != self._since:
                self._say(wanted)
        except self._faults:
            self._connection.disconnect()
            self._since = b""
            return
        self._since = since
        self._known = {(each.host, each.key): each.spent for each in wanted}

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.disconnect()

    def _say(self, totals: list[Total]) -> bytes:
        """Tell it these, or at least that it is told; since when it has known what it is told."""
        since = b""
        for first in range(0, len(totals) or 1, BATCH):
            since = self._ask(tell(self._deployment, totals[first : first + BATCH]))
        return since

    def _ask(self, command: Command) -> bytes:
        self._connection.send_packed_command(self._connection.pack_command(*command))
        answer: bytes = self._connection.read_response()
        return answer
