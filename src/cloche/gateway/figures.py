"""How many calls each endpoint had in the last minute and hour, how they ended and how long they took.

Counted in slices of five seconds, so that forgetting costs nothing: a slice that is too old is left out of the minute,
and added to the hour when there are a dozen newer ones.  `note` is on the hot path and takes about 0.6 µs; the rest is
for whoever looks.  Must not know how figures are shown.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from cloche.gateway.breakers import Circuit
from cloche.gateway.hour import Hour
from cloche.snapshot import Slot, Snapshot
from cloche.telemetry import CallRecord
from cloche.wire.exposition import Lines
from cloche.wire.metrics import BUCKETS, Minute, Usage
from cloche.wire.series import MINUTES, PastMinute

WINDOW_SECONDS = 60.0
SLICE_SECONDS = 5.0
_SLICES = int(WINDOW_SECONDS / SLICE_SECONDS)


class _Slice:
    """The calls of five seconds, from the first of them on.  `minute`: of the clock, in which it began."""

    __slots__ = ("began", "client_errors", "latency", "milliseconds", "minute", "server_errors")

    def __init__(self, began: float, minute: int) -> None:
        self.began = began
        self.minute = minute
        self.latency = [0] * (len(BUCKETS) + 1)
        self.milliseconds = 0.0
        self.client_errors = 0
        self.server_errors = 0

    def told(self) -> PastMinute:
        """As calls of its minute."""
        return PastMinute(self.minute, tuple(self.latency), self.client_errors, self.server_errors)


class Figures:
    """The figures of this process.  `slot`: tells an endpoint's name from one that a client made up.

    `now`: a clock that is never set; `clock`: the time of day, in Unix seconds.
    """

    def __init__(
        self, slot: Slot, now: Callable[[], float] = time.monotonic, clock: Callable[[], float] = time.time
    ) -> None:
        self._slot = slot
        self._now = now
        self._clock = clock
        self._slices: dict[str, deque[_Slice]] = {}
        self._hour = Hour()
        self._told_until = now()

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
            if len(slices) == _SLICES:
                self._hour.add(compiled.endpoint.id, slices[0].told())
            slices.append(_Slice(now, self.minute()))
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
        endpoints = self._slot.current().endpoints
        for name, count in running.items():
            if name in endpoints:
                endpoint_id = endpoints[name].endpoint.id
                found[endpoint_id] = found.get(endpoint_id, Minute()).plus(Minute(running=count))
        return found

    def minute(self) -> int:
        """The minute of the clock that is under way, counted from the Unix epoch on."""
        return int(self._clock() // 60)

    def hour(self, endpoint_id: str) -> list[PastMinute]:
        """An endpoint's calls of about the last hour, in pieces and in no order.  From any thread."""
        return [*self._hour.of(endpoint_id), *(each.told() for each in list(self._slices.get(endpoint_id, ())))]

    def news(self) -> dict[str, list[PastMinute]]:
        """The slices that have ended since the last time, by endpoint id: each is told once.  In the loop."""
        now, since = self._now(), self._told_until
        found: dict[str, list[PastMinute]] = {}
        for endpoint_id, slices in list(self._slices.items()):
            for each in reversed(slices):
                ended = each.began + SLICE_SECONDS
                if ended <= since:
                    break
                if ended <= now:
                    found.setdefault(endpoint_id, []).append(each.told())
        self._told_until = now
        return found

    def keep_only(self, snapshot: Snapshot) -> None:
        """Forget the endpoints that are gone.  From any thread."""
        self._hour.keep_only(snapshot)
        there = {each.endpoint.id for each in snapshot.endpoints.values()}
        for endpoint_id in list(self._slices):
            if endpoint_id not in there:
                self._slices.pop(endpoint_id, None)


class HostFigures:
    """The figures of all processes of this host: this one's, and what was last heard of the others.

    `running`: tells the calls under way in this process, by endpoint name; there are none before there is a gateway.
    `circuits`: how its circuit breakers are, by endpoint id and entity.  `entity_lines`: the calls of all processes
    that run and wait at served entities with a limit.  `elsewhere`: of the other processes, by endpoint id, and
    `hour_elsewhere` their last hour.  `usage`: None where the system does not tell.
    """

    def __init__(self, own: Figures) -> None:
        self._own = own
        self.running: Callable[[], Mapping[str, int]] = dict
        self.circuits: Callable[[], Mapping[str, Mapping[str, Circuit]]] = dict
        self.entity_lines: Callable[[], Lines] = dict
        self.elsewhere: Mapping[str, Minute] = {}
        self.hour_elsewhere = Hour()
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

    def all(self) -> Mapping[str, Minute]:
        """Every endpoint's that has any, over all processes, by its id."""
        return together((self.own(), self.elsewhere))

    def hour_of(self, endpoint_id: str) -> list[PastMinute]:
        """An endpoint's last hour over all processes, minute by minute: the oldest first, the last one under way.

        What ended elsewhere in the last few seconds is not in it yet.
        """
        last = self._own.minute()
        found: dict[int, PastMinute] = {}
        for each in (*self._own.hour(endpoint_id), *self.hour_elsewhere.of(endpoint_id)):
            known = found.get(each.minute)
            found[each.minute] = each if known is None else known.plus(each)
        return [found.get(minute) or PastMinute(minute) for minute in range(last - MINUTES + 1, last + 1)]

    def calls_of(self, endpoint_id: str) -> int:
        """How many calls an endpoint had in its last hour: quicker than to add up the minutes."""
        oldest = self._own.minute() - MINUTES + 1
        told = (*self._own.hour(endpoint_id), *self.hour_elsewhere.of(endpoint_id))
        return sum(sum(each.latency) for each in told if each.minute >= oldest)

    def news(self) -> dict[str, list[PastMinute]]:
        """What of this process's hour the others were not told yet, by endpoint id.  In the loop."""
        return self._own.news()

    def keep_only(self, snapshot: Snapshot) -> None:
        """Forget the endpoints that are gone.  From any thread."""
        self._own.keep_only(snapshot)
        self.hour_elsewhere.keep_only(snapshot)

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
