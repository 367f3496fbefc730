"""What the host process does for one worker at the engines: places in their lines, their addresses, their last lines.

A worker that is gone leaves nothing behind: its places are given back.  Must not know how messages travel or what kind
of process the worker is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cloche.bootstrap.channel import AskLog, Engines, Enter, Leave, Refused, Said, Stalled, ToHost, ToWorker, Turn
from cloche.domain.errors import LimitExceeded, NotReady, Problem
from cloche.engine.host import EngineHost
from cloche.gateway.remote_model import EngineNews
from cloche.snapshot import LocalModels, Ticket


class EngineNewsRoom:
    """What workers are told of engines.  `names`: of the models that endpoints name now."""

    def __init__(self, engines: EngineHost, models: LocalModels, names: Callable[[], Iterable[str]]) -> None:
        self.models = models
        self._engines = engines
        self._names = names

    def news(self) -> dict[str, EngineNews]:
        """How every model is now."""
        return {name: self._of(name) for name in sorted({*self._engines.residents, *self._names()})}

    def lines(self) -> dict[str, tuple[int, int]]:
        """How many calls run and how many wait at each engine."""
        return {name: (each.slots.running, each.slots.waiting) for name, each in self._engines.residents.items()}

    def _of(self, name: str) -> EngineNews:
        resident, handle = self._engines.resident(name), self.models.handle(name)
        refusal = None
        try:
            handle.check_ready()
        except NotReady as problem:
            refusal = (problem.message, problem.retry_after or 1)
        return EngineNews(
            socket_path="" if resident is None else resident.engine.origin.unix_path or "",
            api_key="" if resident is None else resident.engine.api_key,
            context_length=0 if resident is None else resident.engine.context_length,
            available=handle.available,
            condition=self.models.condition(name),
            refusal=refusal,
        )


class Desk:
    """One worker's side of the engines.  `say`: to that worker."""

    def __init__(self, room: EngineNewsRoom, say: Callable[[ToWorker], None]) -> None:
        self._room = room
        self._say = say
        self._tickets: dict[int, Ticket] = {}
        self._told: dict[str, EngineNews] | None = None

    def tell(self, news: dict[str, EngineNews]) -> None:
        """Pass news on, if they are."""
        if news != self._told:
            self._told = news
            self._say(Engines(news))

    def take(self, message: ToHost) -> None:
        """Do what the worker asks; what is not for the engines is for somebody else."""
        match message:
            case Enter(number, model):
                self._enter(number, model)
            case Leave(number, finished):
                ticket = self._tickets.pop(number, None)
                if ticket is not None:
                    ticket.leave(finished=finished)
            case Stalled(model):
                self._room.models.handle(model).stalled()
            case AskLog(number, model):
                self._say(Said(number, self._room.models.log(model)))

    def close(self) -> None:
        """The worker is gone, and its calls with it."""
        tickets, self._tickets = self._tickets, {}
        for ticket in tickets.values():
            ticket.leave()

    def _enter(self, number: int, model: str) -> None:
        def refused(problem: Problem) -> None:
            self._tickets.pop(number, None)
            busy = isinstance(problem, LimitExceeded)
            self._say(Refused(number, busy, problem.message, problem.retry_after))

        handle = self._room.models.handle(model)
        try:
            handle.check_ready()
            self._tickets[number] = handle.gate.enter(lambda: self._say(Turn(number)), refused)
        except Problem as problem:
            refused(problem)
