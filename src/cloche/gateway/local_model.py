"""The models of this host as the snapshot knows them, where their engines belong to this process: a handle for each
name, which finds the engine anew for each call, so that a snapshot may hold it whatever becomes of the engine.
"""

from __future__ import annotations

from collections.abc import Callable

from cloche.domain.chat import ChatRequest
from cloche.domain.errors import NotReady, Problem
from cloche.domain.outbound import HttpCall, Timeouts
from cloche.engine.host import EngineHost
from cloche.engine.options import EngineOptions
from cloche.engine.resident import Resident
from cloche.engine.supervisor import Engine, State
from cloche.providers.base import Decoder
from cloche.providers.local import EngineAddress, LocalTranslator
from cloche.snapshot import Condition, Ticket

_LONGEST_ANSWER = 3600.0
"""Seconds.  A local answer is bounded by its tokens; this bounds what an engine that trickles can hold."""

_LOADING_RETRY_AFTER = 5


def engine_timeouts(options: EngineOptions) -> Timeouts:
    """How long to wait for an engine."""
    return Timeouts(
        connect=5.0, first_byte=options.stall_seconds, between_bytes=options.stall_seconds, total=_LONGEST_ANSWER
    )


class EngineModel:
    """One model.  `max_tokens_default` bounds answers whose request sets no bound."""

    def __init__(self, name: str, host: EngineHost, max_tokens_default: int) -> None:
        self.timeouts = engine_timeouts(host.options)
        self._name = name
        self._host = host
        self._max_tokens_default = max_tokens_default
        self._engine: Engine | None = None
        self._translator: LocalTranslator | None = None

    @property
    def available(self) -> bool:
        """Whether there is an engine for it."""
        return self._host.available(self._name)

    @property
    def gate(self) -> EngineModel:
        """Where calls queue for the engine."""
        return self

    def enter(self, on_turn: Callable[[], None], on_refused: Callable[[Problem], None]) -> Ticket:
        """Wait for a place, and for the engine if it sleeps."""
        return self._resident().enter(on_turn, on_refused)

    def check_ready(self) -> None:
        """NotReady unless the engine can take a call, or will be woken by it."""
        self._resident().check_ready()

    def stalled(self) -> None:
        """A call was not answered in time."""
        resident = self._host.resident(self._name)
        if resident is not None:
            resident.engine.stalled()

    def encode(self, request: ChatRequest, choice: int) -> HttpCall:
        """The call for one choice."""
        return self._current(self._resident().engine).encode(request, choice)

    def decoder(self, request: ChatRequest, choice: int) -> Decoder:
        """The reader of its answer."""
        return self._used().decoder(request, choice)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """What the engine's refusal means."""
        return self._used().error(status, headers, body)

    def _resident(self) -> Resident:
        resident = self._host.resident(self._name)
        if resident is None:
            state, detail = self._host.state(self._name)
            raise NotReady(
                f"The model {self._name} is not loaded ({state.value}): {detail}", retry_after=_LOADING_RETRY_AFTER
            )
        return resident

    def _current(self, engine: Engine) -> LocalTranslator:
        """The translator for an engine: a new one for each engine, because address and key are the engine's own."""
        translator = self._translator
        if translator is None or self._engine is not engine:
            address = EngineAddress(engine.origin, engine.api_key, engine.name)
            translator = LocalTranslator(
                address, context_length=engine.context_length, max_tokens_default=self._max_tokens_default
            )
            # In this order: a preview asks from a thread while calls ask from the loop.
            self._translator = translator
            self._engine = engine
        return translator

    def _used(self) -> LocalTranslator:
        assert self._translator is not None, "a call was made before its answer is read"
        return self._translator


class EngineModels:
    """The models of a host whose engines belong to this process."""

    def __init__(self, host: EngineHost, max_tokens_default: int) -> None:
        self._host = host
        self._max_tokens_default = max_tokens_default
        self._handles: dict[str, EngineModel] = {}

    def handle(self, name: str) -> EngineModel:
        """The model of that name."""
        if name not in self._handles:
            self._handles.setdefault(name, EngineModel(name, self._host, self._max_tokens_default))
        return self._handles[name]

    def condition(self, name: str) -> Condition:
        """How a model is doing."""
        resident = self._host.resident(name)
        state, detail = self._host.state(name)
        return condition_of(state, detail, asleep=resident is not None and resident.asleep)

    def log(self, name: str) -> str:
        """What its engine has said and what became of it."""
        return self._host.journal(name).text()


def condition_of(state: State, detail: str, *, asleep: bool) -> Condition:
    """What an engine's state is called in the API.  One that sleeps is ready: the next call wakes it."""
    match state:
        case State.READY:
            return Condition("DEPLOYMENT_READY")
        case State.FAILED:
            return Condition("DEPLOYMENT_FAILED", detail)
        case State.RESTARTING:
            return Condition("DEPLOYMENT_RECOVERING", detail)
        case State.STARTING | State.STOPPED if asleep:
            return Condition("DEPLOYMENT_READY", "scaled to zero: the next call loads the model")
        case State.STARTING | State.STOPPED:
            return Condition("DEPLOYMENT_CREATING", detail)
