"""A worker's way to its host: what calls ask for goes there, what the host says is passed on here.

When the host is gone, calls that wait for a place are refused, and the worker is told, so that it ends.  Must not know
engines or HTTP.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from cloche.bootstrap.channel import (
    Accepting,
    Admitted,
    AskLog,
    Counted,
    Elsewhere,
    Engines,
    Enter,
    Freed,
    GiveUp,
    Leave,
    Line,
    Published,
    Refused,
    Said,
    Stalled,
    Turn,
    Wait,
)
from cloche.domain.outbound import Timeouts
from cloche.gateway.entity_table import EntityTable
from cloche.gateway.figures import HostFigures
from cloche.gateway.remote_model import RemoteModels
from cloche.gateway.shared_line import Lines
from cloche.gateway.totals import HostTotals

FIGURES_SECONDS = 1.0
_LOG_SECONDS = 5.0


class HostLink:
    """For a loop.  `models`: the host's, as they are seen from here.  `told`: the host has said how they are.
    `lines`: in front of served entities, which the host keeps for all workers."""

    def __init__(self, line: Line, engine_timeouts: Timeouts, max_tokens_default: int, table: EntityTable) -> None:
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._logs: dict[int, Future[str]] = {}
        self.lines = Lines(table, self, self._loop)
        self.models = RemoteModels(self, engine_timeouts, max_tokens_default)
        self.told = asyncio.Event()

    # ---------------------------------------------------------------- to the host

    def enter(self, ticket: int, model: str) -> None:
        """A call wants a place at an engine."""
        self._line.send(Enter(ticket, model))

    def leave(self, ticket: int, *, finished: bool) -> None:
        """A call gives its place back."""
        self._line.send(Leave(ticket, finished))

    def stalled(self, model: str) -> None:
        """An engine has left a call without an answer."""
        self._line.send(Stalled(model))

    def wait(self, ticket: int, entity: str, max_calls: int) -> None:
        """A call stands in an entity's line."""
        self._line.send(Wait(ticket, entity, max_calls))

    def give_up(self, ticket: int) -> None:
        """It waits no more."""
        self._line.send(GiveUp(ticket))

    def freed(self, entity: str) -> None:
        """A call has ended while others wait."""
        self._line.send(Freed(entity))

    def log(self, model: str) -> str:
        """An engine's last lines; empty if the host does not answer.  Waits; for threads only."""
        number, said = next(self._numbers), Future[str]()
        self._logs[number] = said
        self._loop.call_soon_threadsafe(self._line.send, AskLog(number, model))
        try:
            return said.result(_LOG_SECONDS)
        except FutureTimeout:
            return ""
        finally:
            self._logs.pop(number, None)

    def accepting(self) -> None:
        """This worker takes connections."""
        self._line.send(Accepting())

    def published(self, revision: int) -> None:
        """A revision is in force here.  From any thread."""
        self._loop.call_soon_threadsafe(self._line.send, Published(revision))

    async def tell_figures(self, figures: HostFigures, totals: HostTotals) -> None:
        """Tell the host every second what happened here, for ever."""
        while True:
            if self._line.has_room:
                self._line.send(Counted(figures.own(), totals.own(), figures.news()))
            await asyncio.sleep(FIGURES_SECONDS)

    # ---------------------------------------------------------------- from the host

    async def listen(self, figures: HostFigures, totals: HostTotals, on_models_changed: Callable[[], None]) -> None:
        """Pass on what the host says, until it is gone.  `on_models_changed`: what is bound to them must be anew."""
        async for message in self._line.to_worker():
            match message:
                case Turn(ticket):
                    self.models.places.turn(ticket)
                case Refused(ticket):
                    self.models.places.refuse(ticket, message.problem())
                case Admitted(ticket, entity):
                    self.lines.admitted(ticket, entity)
                case Engines(news):
                    if self.models.tell(news):
                        on_models_changed()
                    self.told.set()
                case Elsewhere(minutes, usage, elsewhere, hour):
                    figures.elsewhere, figures.usage, totals.elsewhere = minutes, usage, elsewhere
                    figures.hour_elsewhere.add_all(hour)
                case Said(number, text):
                    asked = self._logs.pop(number, None)
                    if asked is not None:
                        asked.set_result(text)
        self.models.places.refuse_all()
        self.lines.refuse_all()
