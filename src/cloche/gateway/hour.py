"""The calls of the last hour, by endpoint and minute of the clock.

Only what has ended its five seconds comes here, so nothing of it is on the hot path.  An endpoint that is called every
minute takes about 20 kB.  Must not know who counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloche.snapshot import Snapshot
from cloche.wire.series import MINUTES, PastMinute


class Hour:
    """Written to by one thread, read by any."""

    def __init__(self) -> None:
        self._minutes: dict[str, dict[int, PastMinute]] = {}

    def add(self, endpoint_id: str, told: PastMinute) -> None:
        """Add calls to their minute.  The minutes that are too old by then go."""
        minutes = self._minutes.setdefault(endpoint_id, {})
        known = minutes.get(told.minute)
        if known is None:
            for old in [each for each in minutes if each <= told.minute - MINUTES]:
                del minutes[old]
        minutes[told.minute] = told if known is None else known.plus(told)

    def of(self, endpoint_id: str) -> list[PastMinute]:
        """The minutes of an endpoint in which there were calls, in no order; some may be older than an hour."""
        return list(self._minutes.get(endpoint_id, {}).values())

    def all(self) -> dict[str, list[PastMinute]]:
        """The same of every endpoint."""
        return {endpoint_id: self.of(endpoint_id) for endpoint_id in list(self._minutes)}

    def add_all(self, told: Mapping[str, Sequence[PastMinute]]) -> None:
        """Add calls of several endpoints."""
        for endpoint_id, minutes in told.items():
            for each in minutes:
                self.add(endpoint_id, each)

    def keep_only(self, snapshot: Snapshot) -> None:
        """Forget the endpoints that are gone.  From any thread."""
        there = {each.endpoint.id for each in snapshot.endpoints.values()}
        for endpoint_id in list(self._minutes):
            if endpoint_id not in there:
                self._minutes.pop(endpoint_id, None)
