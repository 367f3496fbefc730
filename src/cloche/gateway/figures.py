"""How many calls each endpoint had in the last minute, how they ended and how long they took.

Counted in slices of five seconds, so that forgetting costs nothing: a slice that is too old is left out.  `note` is on
the hot path and takes about 0.6 µs; the rest is for whoever looks.  Must not know how figures are shown.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from cloche.gateway.breakers import Circuit
from cloche.snapshot import Slot
from cloche.telemetry import CallRecord
from cloche.wire.metrics import BUCKETS, Minute, Usage

WINDOW_SECONDS = 60.0
SLICE_SECONDS = 5.0
_SLICES = int(WINDOW_SECONDS / SLICE_SECONDS)


class _Slice:
    """The calls of five seconds, from the first of them on."""

    __slots__ = ("began", "client_errors", "latency", "milliseconds", "server_errors")

    def __init__(self, began: float) -> None:
        self.began = began
        self.latency = [0] * (len(BUCKETS) + 1)
        self.milliseconds = 0.0
        self.client_errors = 0
        self.server_errors = 0


class Figures:
    """The figures of this process.  `slot`: tells an endpoint's name from one that a client made up."""

    def __init__(self, slot: Slot, now: Callable[[], float] = time.monotonic) -> None:
        self._slot = slot
        self._now = now
        self._slices: dict[str, deque[_Slice]] = {}

    def note(self, record: CallRecord) -> None:
        """A call has ended.  Calls of no endpoint are nobody's."""
        if record.endpoint is None:
            return
        compiled = self._slot.current().endpoints.get(record.endpoint)
        if compiled is None:
            return
        now = self._now()
        slices = self._slices.get(compiled.endpoint.id)
        if slices is None:
            slices = self._slices[compiled.endpoint.id] = deque(maxlen=_SLICES)
        if not slices or now >= slices[-1].began + SLICE_SECONDS:
            slices.append(_Slice(now))
        newest = slices[-1]
        newest.latency[bisect_left(BUCKETS, record.duration_ms)] += 1
        newest.milliseconds += record.duration_ms
        if record.status >= 500:
            newest.server_errors += 1
        elif record.status >= 400:
            newest.client_errors += 1

    def minutes(self, running: Mapping[str, int]) -> dict[str, Minute]:
        """The last minute of every endpoint that had calls in it, by id.  `running`: calls under way, by its name.

        May be asked from any thread.
        """
        oldest = self._now() - WINDOW_SECONDS
        found = {}
        for endpoint_id, slices in list(self._slices.items()):
            recent = [each for each in list(slices) if each.began >= oldest]
            if recent:
                found[endpoint_id] = _added_up(recent)
            else:
                self._slices.pop(endpoint_id, None)
        endpoints = self._slot.current().endpoints
        for name, count in running.items():
            if name in endpoints:
                endpoint_id = endpoints[name].endpoint.id
                found[endpoint_id] = found.get(endpoint_id, Minute()).plus(Minute(running=count))
        return found


class HostFigures:
    """The figures of all processes of this host: this one's, and what was last heard of the others.

    `running`: tells the calls under way in this process, by endpoint name; there are none before there is a gateway.
    `circuits`: how its circuit breakers are, by endpoint id and entity.  `elsewhere`: of the other processes, by
    endpoint id.  `usage`: None where the system does not tell.
    """

    def __init__(self, own: Figures) -> None:
        self._own = own
        self.running: Callable[[], Mapping[str, int]] = dict
        self.circuits: Callable[[], Mapping[str, Mapping[str, Circuit]]] = dict
        self.elsewhere: Mapping[str, Minute] = {}
        self.usage: Usage | None = None

    def own(self) -> dict[str, Minute]:
        """This process's alone, by endpoint id."""
        minutes = self._own.minutes(self.running())
        for endpoint_id, circuits in self.circuits().items():
            minutes[endpoint_id] = minutes.get(endpoint_id, Minute()).plus(Minute(circuits=circuits))
        return minutes

    def of(self, endpoint_id: str) -> Minute:
        """An endpoint's, over all processes."""
        return self.own().get(endpoint_id, Minute()).plus(self.elsewhere.get(endpoint_id, Minute()))

    def circuits_of(self, endpoint_id: str) -> Mapping[str, str]:
        """How an endpoint's circuit breakers are, by entity, over all processes."""
        here = Minute(circuits=self.circuits().get(endpoint_id, {}))
        return here.plus(self.elsewhere.get(endpoint_id, Minute())).circuits


def together(processes: Iterable[Mapping[str, Minute]]) -> dict[str, Minute]:
    """The figures of several processes as if they were one."""
    found: dict[str, Minute] = {}
    for minutes in processes:
        for endpoint_id, minute in minutes.items():
            found[endpoint_id] = found[endpoint_id].plus(minute) if endpoint_id in found else minute
    return found


def _added_up(slices: Iterable[_Slice]) -> Minute:
    each = list(slices)
    return Minute(
        tuple(map(sum, zip(*(one.latency for one in each), strict=True))),
        sum(one.milliseconds for one in each),
        sum(one.client_errors for one in each),
        sum(one.server_errors for one in each),
    )
