"""The lines in front of served entities whose limit several workers share: who waits, in order of arrival.

How many calls run is counted in a table that all processes see; here is only who goes next.  A worker that is gone
leaves nothing behind.  Must not know how messages travel.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from cloche.bootstrap.channel import Admitted, Freed, GiveUp, ToWorker, Wait
from cloche.gateway.entity_table import EntityTable, entity_key


class _Waiting(NamedTuple):
    """A call: the worker's place, and the worker's number for it."""

    place: int
    ticket: int


class EntityLines:
    """For the host's loop.  `max_calls` of a line is what was heard of it last: workers learn of a new limit within a
    second of each other."""

    def __init__(self, table: EntityTable) -> None:
        self._table = table
        self._lines: dict[str, dict[_Waiting, None]] = {}  # a dict, so that leaving from the middle is cheap
        self._max_calls: dict[str, int] = {}
        self._stands_in: dict[_Waiting, str] = {}
        self._say: dict[int, Callable[[ToWorker], None]] = {}

    def join(self, place: int, say: Callable[[ToWorker], None]) -> None:
        """A worker has this place from now on.  `say`: to that worker."""
        self._say[place] = say

    def leave(self, place: int) -> None:
        """The worker is gone: what its calls had is free."""
        self._say.pop(place, None)
        for each in [each for each in self._stands_in if each.place == place]:
            self._remove(each)
        self._table.forget(place)
        for entity in list(self._lines):
            self._admit(entity)

    def take(self, place: int, message: Wait | GiveUp | Freed) -> None:
        """Do what a worker says."""
        match message:
            case Wait(ticket, entity, max_calls):
                waiting = _Waiting(place, ticket)
                self._lines.setdefault(entity, {})[waiting] = None
                self._stands_in[waiting] = entity
                self._max_calls[entity] = max_calls
                self._admit(entity)
            case GiveUp(ticket):
                # One that was admitted meanwhile is given back by the worker, who is told so.
                given_up = self._remove(_Waiting(place, ticket))
                if given_up is not None:
                    self._table.withdraw(entity_key(given_up), place)
            case Freed(entity):
                self._admit(entity)

    def _admit(self, entity: str) -> None:
        """Let the first in line run, as many as there is room for."""
        if entity not in self._lines:
            return
        max_calls = self._max_calls[entity]
        line = list(islice(self._lines[entity], max_calls))
        count = self._table.admit(entity_key(entity), [each.place for each in line], max_calls)
        for each in line[:count]:
            self._remove(each)
            self._say[each.place](Admitted(each.ticket, entity))

    def _remove(self, waiting: _Waiting) -> str | None:
        """Take a call out of its line; which one that was."""
        entity = self._stands_in.pop(waiting, None)
        if entity is not None:
            line = self._lines[entity]
            del line[waiting]
            if not line:
                del self._lines[entity], self._max_calls[entity]
        return entity
