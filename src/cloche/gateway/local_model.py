"""A local model as the snapshot knows it: an engine, the queue in front of it, and the translator of its dialect."""

from __future__ import annotations

from cloche.domain.chat import ChatRequest
from cloche.domain.errors import Problem
from cloche.domain.outbound import HttpCall, Timeouts
from cloche.engine.options import EngineOptions
from cloche.engine.slots import Clock, Slots
from cloche.engine.supervisor import Engine
from cloche.providers.base import Decoder
from cloche.providers.local import EngineAddress, LocalTranslator

_LONGEST_ANSWER = 3600.0
"""Seconds.  A local answer is bounded by its tokens; this bounds what an engine that trickles can hold."""


class EngineModel:
    """One model on one engine.  `max_tokens_default` bounds answers whose request sets no bound."""

    def __init__(self, engine: Engine, options: EngineOptions, clock: Clock, *, max_tokens_default: int) -> None:
        self.engine = engine
        self.gate = Slots(options.parallel, options.queue_limit, options.queue_seconds, clock)
        self.timeouts = Timeouts(
            connect=5.0,
            first_byte=options.stall_seconds,
            between_bytes=options.stall_seconds,
            total=_LONGEST_ANSWER,
        )
        address = EngineAddress(engine.origin, engine.api_key, engine.name)
        self._translator = LocalTranslator(
            address, context_length=engine.context_length, max_tokens_default=max_tokens_default
        )

    def check_ready(self) -> None:
        """NotReady unless the engine can take a call."""
        self.engine.check_ready()

    def stalled(self) -> None:
        """A call was not answered in time."""
        self.engine.stalled()

    def encode(self, request: ChatRequest, choice: int) -> HttpCall:
        """The call for one choice."""
        return self._translator.encode(request, choice)

    def decoder(self, request: ChatRequest, choice: int) -> Decoder:
        """The reader of its answer."""
        return self._translator.decoder(request, choice)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """What the engine's refusal means."""
        return self._translator.error(status, headers, body)
