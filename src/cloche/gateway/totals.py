"""What every endpoint has had since this process began: calls, durations and tokens, by entity and status.

`note` is on the hot path; the rest is for whoever looks.  Must not know how totals are shown.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping

from cloche.snapshot import Slot, Snapshot
from cloche.telemetry import CallRecord
from cloche.wire.exposition import Series, Totals, all_together
from cloche.wire.metrics import BUCKETS


class _Counted:
    """Calls that are counted together."""

    __slots__ = ("cost", "input_tokens", "latency", "milliseconds", "output_tokens")

    def __init__(self) -> None:
        self.latency = [0] * (len(BUCKETS) + 1)
        self.milliseconds = 0.0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost = 0.0


class HostTotals:
    """The totals of all processes of this host: this one's, and what was last heard of the others.

    `slot`: tells an endpoint's name from one that a client made up.  `counters`, `gauges`: of this process.  `lines`:
    calls that run and wait at local models, where their engines are in this process.
    """

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._counted: dict[tuple[str | None, str | None, int], _Counted] = {}
        self.elsewhere = Totals()
        self.counters: Callable[[], dict[str, float]] = dict
        self.gauges: Callable[[], dict[str, float]] = dict
        self.lines: Callable[[], Mapping[str, tuple[int, int]]] = dict

    def note(self, record: CallRecord) -> None:
        """A call has ended: about 0.3 µs.  Calls of no endpoint are nobody's."""
        counted = self._counted.get((record.endpoint, record.entity, record.status))
        if counted is None:
            if record.endpoint is None or record.endpoint not in self._slot.current().endpoints:
                return
            counted = self._counted[record.endpoint, record.entity, record.status] = _Counted()
        counted.latency[bisect_left(BUCKETS, record.duration_ms)] += 1
        counted.milliseconds += record.duration_ms
        if record.input_tokens is not None:
            counted.input_tokens += record.input_tokens
            counted.output_tokens += record.output_tokens or 0
            if record.cost_usd is not None:
                counted.cost += record.cost_usd

    def keep_only(self, snapshot: Snapshot) -> None:
        """Forget the endpoints that are gone.  From any thread."""
        for at in tuple(self._counted):
            if at[0] not in snapshot.endpoints:
                self._counted.pop(at, None)

    def own(self) -> Totals:
        """This process's alone.  From any thread."""
        endpoints = self._slot.current().endpoints
        found = [
            Series(
                endpoint or "",
                entity or "",
                f"{status // 100}xx",
                tuple(each.latency),
                each.milliseconds,
                each.input_tokens,
                each.output_tokens,
                each.cost,
            )
            for (endpoint, entity, status), each in tuple(self._counted.items())
            if endpoint in endpoints
        ]
        one_a_class = all_together(Totals((each,)) for each in found).series
        return Totals(one_a_class, self.counters(), self.gauges(), dict(self.lines()))

    def all(self) -> Totals:
        """Over all processes.  From any thread."""
        return all_together((self.own(), self.elsewhere))
