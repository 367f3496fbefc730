"""Calls of one caller that ask the same at the same time, answered by one call to a provider.

The first of them is asked as a call that is nobody's, whose answer goes to all: so nobody's hang-up is its end but the
last one's.  Who joins later gets what was sent so far first.  Each of the calls has its limits, its guards and its
record; the tokens are those of the first that is still there, and of no other.  What is asked must have one answer: a
temperature of 0, a seed, or embeddings.  Calls of one process find each other, and no others.  Costs the first 15 µs,
and each that joins 20 µs.  Must not know whom is asked.
"""

from __future__ import annotations

from collections.abc import Callable

from cloche.domain.chat import NOTHING_USED, Usage
from cloche.domain.embedding import EmbeddingRequest
from cloche.gateway.asking import Request
from cloche.gateway.call import Call

MOST_BYTES = 1 << 20
"""Of a stream; once more was sent nobody can join."""


def is_deterministic(request: Request) -> bool:
    """Whether the same question has the same answer, as far as its caller can say so."""
    if isinstance(request, EmbeddingRequest):
        return True
    return request.params.temperature == 0 or request.params.seed is not None


class Flights:
    """The calls under way that others may join.  `joined`: how many did."""

    def __init__(self) -> None:
        self._under_way: dict[bytes, Flight] = {}
        self.joined = 0

    def join(self, call: Call, asked: bytes) -> bool:
        """Whether the same is being answered: then the call gets that answer."""
        flight = self._under_way.get(asked)
        if flight is None:
            return False
        self.joined += 1
        call.coalesced = True
        call.usage = NOTHING_USED
        flight.add(call)
        return True

    def begin(self, call: Call, asked: bytes, ask: Callable[[Call], None]) -> None:
        """Ask, in the place of this call, one that stands for it and for those that will join."""
        flight = Flight(call, self, asked)
        self._under_way[asked] = flight
        flight.add(call)
        flight.asked.guard(ask, flight.asked)
        if not call.ended:
            call.target = flight.asked.target

    def close(self, flight: Flight, asked: bytes) -> None:
        """Nobody can join it any more."""
        if self._under_way.get(asked) is flight:
            del self._under_way[asked]


class Flight:
    """One call that is asked for several: the Reply of it, and the Source of each of them by way of a Seat."""

    def __init__(self, first: Call, flights: Flights, name: bytes) -> None:
        self._flights = flights
        self._name = name
        self._seats: list[Seat] = []
        self._slow: set[Seat] = set()
        self._sent: list[bytes] = []
        self._size = 0
        self.asked = _stand_in(first, self)

    def add(self, call: Call) -> None:
        """One more, which gets what was sent so far."""
        seat = Seat(self, call)
        self._seats.append(seat)
        call.source = seat
        if self._sent:
            self._tell(seat)
            call.send(b"".join(self._sent))

    # ---------------------------------------------------------------- Reply

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """To all.  An error is each one's own."""
        self._close()
        problem, usage = self.asked.problem, self.asked.usage
        for seat in self._all():
            self._tell(seat)
            if problem is None:
                seat.call.answer(body, self._share(seat, usage))
            else:
                seat.call.fail(problem)
        self._seats.clear()

    def begin(self, headers: bytes) -> None:
        """Each has a head of its own."""

    def send(self, data: bytes) -> None:
        """To all, and kept for those who come later."""
        if self.asked.problem is not None:
            return  # each tells of it in its own words
        self._size += len(data)
        if self._size > MOST_BYTES:
            self._close()
        else:
            self._sent.append(data)
        for seat in self._all():
            if seat in self._seats:
                self._tell(seat)
                seat.call.send(data)

    def finish(self) -> None:
        """To all."""
        self._close()
        problem, usage = self.asked.problem, self.asked.usage
        for seat in self._all():
            self._tell(seat)
            if problem is None:
                seat.call.finish(self._share(seat, usage))
            else:
                seat.call.fail(problem)
        self._seats.clear()

    # ---------------------------------------------------------------- of its seats

    def pause(self, seat: Seat) -> None:
        """One is slow, and the others wait for it: else what it has not read would grow."""
        self._slow.add(seat)
        self.asked.slow()

    def resume(self, seat: Seat) -> None:
        """It has caught up."""
        self._slow.discard(seat)
        if not self._slow:
            self.asked.caught_up()

    def leave(self, seat: Seat) -> None:
        """One does not want the answer any more."""
        if seat not in self._seats:
            return
        was_payer = self._seats[0] is seat
        self._seats.remove(seat)
        if was_payer and self._seats:
            heir = self._seats[0].call
            heir.coalesced, heir.usage, heir.target = False, None, self.asked.target
        if self._slow:
            self.resume(seat)
        if not self._seats and not self.asked.ended:
            self._close()
            self.asked.hang_up()

    def _all(self) -> tuple[Seat, ...]:
        return tuple(self._seats)

    def _share(self, seat: Seat, usage: Usage | None) -> Usage | None:
        return usage if self._pays(seat) else NOTHING_USED

    def _pays(self, seat: Seat) -> bool:
        return bool(self._seats) and self._seats[0] is seat

    def _tell(self, seat: Seat) -> None:
        """What its head says of who answered; who else was asked, only of who pays."""
        call = seat.call
        call.hedge = self.asked.hedge if self._pays(seat) else None
        call.target, call.translation = self.asked.target, self.asked.translation
        call.attempts, call.heard_at = self.asked.attempts, self.asked.heard_at

    def _close(self) -> None:
        self._flights.close(self, self._name)
        self._sent = []


class Seat:
    """The Source of one of the calls."""

    __slots__ = ("_flight", "call")

    def __init__(self, flight: Flight, call: Call) -> None:
        self._flight = flight
        self.call = call

    def pause(self) -> None:
        """Its client is slow."""
        self._flight.pause(self)

    def resume(self) -> None:
        """Its client has caught up."""
        self._flight.resume(self)

    def cancel(self) -> None:
        """Its client is gone."""
        self._flight.leave(self)


def _stand_in(first: Call, flight: Flight) -> Call:
    """A call like the first, whose answer is all theirs.  It has the first one's id, which the answer bears."""
    asked = Call(first.path, flight)
    asked.id = first.id
    asked.arrived, asked.started = first.arrived, first.started
    asked.grant, asked.headers, asked.endpoint = first.grant, first.headers, first.endpoint
    asked.task, asked.client_request_id = first.task, first.client_request_id
    asked.stream, asked.strict = first.stream, first.strict
    asked.trace = first.trace
    return asked
