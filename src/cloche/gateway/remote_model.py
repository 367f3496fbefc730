"""Local models whose engines belong to another process of this host: what a worker has instead of the engines.

The line in front of an engine stays in the host process, where it is exact over all workers; a call's place in it is a
number here. Calls themselves go to the engine's socket directly. Must not know how messages travel.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from cloche.domain.chat import ChatRequest
from cloche.domain.errors import NotReady, Problem
from cloche.domain.outbound import HttpCall, Origin, Timeouts
from cloche.providers.base import Decoder
from cloche.providers.local import EngineAddress, LocalTranslator
from cloche.snapshot import Condition


class EngineNews(msgspec.Struct, frozen=True):
    """What the host tells of a model: where its engine listens, and how it is.

    `refusal`: what callers are told while it takes no call, with the seconds after which another try is worth while.
    """

    socket_path: str
    api_key: str
    context_length: int
    available: bool
    condition: Condition
    refusal: tuple[str, int] | None = None


class Host(Protocol):
    """The way to the process that has the engines."""

    def enter(self, ticket: int, model: str) -> None:
        """A call wants a place at an engine."""

    def leave(self, ticket: int, *, finished: bool) -> None:
        """A call gives its place back."""

    def stalled(self, model: str) -> None:
        """An engine has left a call without an answer."""

    def log(self, model: str) -> str:
        """An engine's last lines.  Waits; for threads only."""


class RemoteTicket:
    """A call's place: asked for, had, or given back."""

    __slots__ = ("_gate", "_number", "on_refused", "on_turn")

    def __init__(
        self, gate: RemoteGate, number: int, on_turn: Callable[[], None], on_refused: Callable[[Problem], None]
    ) -> None:
        self._gate: RemoteGate | None = gate
        self._number = number
        self.on_turn = on_turn
        self.on_refused = on_refused

    def leave(self, *, finished: bool = False) -> None:
        """Give the place back, or leave the line.  Harmless when done twice."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.leave(self._number, finished=finished)

    def forget(self) -> None:
        """The host has taken the place away itself."""
        self._gate = None


class Places:
    """The places of this process's calls, at all engines, by number."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._numbers = itertools.count(1)
        self._held: dict[int, RemoteTicket] = {}

    def ask(
        self, gate: RemoteGate, model: str, on_turn: Callable[[], None], on_refused: Callable[[Problem], None]
    ) -> RemoteTicket:
        """Ask the host for a place."""
        number = next(self._numbers)
        ticket = self._held[number] = RemoteTicket(gate, number, on_turn, on_refused)
        self.host.enter(number, model)
        return ticket

    def give_back(self, number: int, *, finished: bool) -> None:
        """The call has ended, or waits no more."""
        if self._held.pop(number, None) is not None:
            self.host.leave(number, finished=finished)

    def turn(self, number: int) -> None:
        """The host says: go on.  The call may have left meanwhile."""
        ticket = self._held.get(number)
        if ticket is not None:
            ticket.on_turn()

    def refuse(self, number: int, problem: Problem) -> None:
        """The host says: no."""
        ticket = self._held.pop(number, None)
        if ticket is not None:
            ticket.forget()
            ticket.on_refused(problem)

    def refuse_all(self) -> None:
        """The host is gone, and with it every engine."""
        for number in list(self._held):
            self.refuse(number, NotReady("the model's host process is gone"))


class RemoteGate:
    """The line in front of one engine, seen from here."""

    def __init__(self, model: str, places: Places) -> None:
        self._model = model
        self._places = places

    def enter(self, on_turn: Callable[[], None], on_refused: Callable[[Problem], None]) -> RemoteTicket:
        """As Gate.enter; the answer comes later always, a full line's LimitExceeded by `on_refused` too."""
        return self._places.ask(self, self._model, on_turn, on_refused)

    def leave(self, number: int, *, finished: bool) -> None:
        """Give a place back."""
        self._places.give_back(number, finished=finished)


class RemoteModel:
    """One model.  Before the host has told of it, it takes no calls."""

    def __init__(self, name: str, places: Places, timeouts: Timeouts, max_tokens_default: int) -> None:
        self.name = name
        self.timeouts = timeouts
        self.gate = RemoteGate(name, places)
        self._places = places
        self._max_tokens_default = max_tokens_default
        self._news: EngineNews | None = None
        self._translator = self._translate("", "", 0)

    @property
    def available(self) -> bool:
        """Whether there is an engine for it on this host now."""
        return self._news is not None and self._news.available

    @property
    def condition(self) -> Condition:
        """How it is doing."""
        return Condition("DEPLOYMENT_CREATING", "not loaded yet") if self._news is None else self._news.condition

    def tell(self, news: EngineNews | None) -> bool:
        """The host has news of it, or has it no more; whether that changes what can be bound to it."""
        before, self._news = self._news, news
        if news is not None:
            self._translator = self._translate(news.socket_path, news.api_key, news.context_length)
        return (before is not None and before.available) != self.available

    def check_ready(self) -> None:
        """NotReady unless the engine took calls when the host last told of it."""
        news = self._news
        if news is None:
            raise NotReady(f"The model {self.name} is not loaded on this host yet.", retry_after=5)
        if news.refusal is not None:
            message, retry_after = news.refusal
            raise NotReady(message, retry_after=retry_after)

    def stalled(self) -> None:
        """A call was not answered in time."""
        self._places.host.stalled(self.name)

    def encode(self, request: ChatRequest, choice: int) -> HttpCall:
        """The call for one choice."""
        return self._translator.encode(request, choice)

    def decoder(self, request: ChatRequest, choice: int) -> Decoder:
        """The reader of its answer."""
        return self._translator.decoder(request, choice)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """What the engine's refusal means."""
        return self._translator.error(status, headers, body)

    def _translate(self, socket_path: str, api_key: str, context_length: int) -> LocalTranslator:
        origin = Origin(host="engine", port=0, unix_path=socket_path, reuse=False)
        address = EngineAddress(origin, api_key, self.name)
        return LocalTranslator(address, context_length=context_length, max_tokens_default=self._max_tokens_default)


class RemoteModels:
    """The models of this host, behind the process that has their engines.  `timeouts`: of calls to engines."""

    def __init__(self, host: Host, timeouts: Timeouts, max_tokens_default: int) -> None:
        self.places = Places(host)
        self._host = host
        self._timeouts = timeouts
        self._max_tokens_default = max_tokens_default
        self._models: dict[str, RemoteModel] = {}

    def handle(self, name: str) -> RemoteModel:
        """The model of that name, the same handle each time."""
        found = self._models.get(name)
        if found is None:
            # Threads that compile and the loop that hears of engines may both be first: one handle wins.
            made = RemoteModel(name, self.places, self._timeouts, self._max_tokens_default)
            found = self._models.setdefault(name, made)
        return found

    def condition(self, name: str) -> Condition:
        """How a model is doing."""
        return self.handle(name).condition

    def log(self, name: str) -> str:
        """An engine's last lines.  Waits; for threads only."""
        return self._host.log(name)

    def tell(self, news: Mapping[str, EngineNews]) -> bool:
        """All that the host has; whether that changes what can be bound."""
        changes = [self.handle(name).tell(each) for name, each in news.items()]
        changes += [model.tell(None) for name, model in list(self._models.items()) if name not in news]
        return any(changes)
