"""A provider that does what the test says, a client that remembers, and a gateway between them: no sockets."""

from __future__ import annotations

import json
import os
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import structs

from cloche.codec import sse
from cloche.domain.access import Level, Principal, digest
from cloche.domain.chat import ChatRequest
from cloche.domain.endpoint import (
    CHAT_TASK,
    Configuration,
    Endpoint,
    ExternalModel,
    Properties,
    Route,
    ServedEntity,
    Version,
)
from cloche.domain.errors import Problem
from cloche.domain.outbound import HttpCall, Origin, Receiver, Timeouts
from cloche.engine.slots import Slots
from cloche.gateway.admission import Admission
from cloche.gateway.call import Call
from cloche.gateway.counters import SLOT_BYTES, Counters
from cloche.gateway.entities import Entities
from cloche.gateway.governor import Lasting
from cloche.gateway.mapped_table import reserve_space
from cloche.gateway.pipeline import Ask, Gateway
from cloche.gateway.recording import Recorder
from cloche.gateway.shared_line import Lines
from cloche.providers.base import Decoder
from cloche.providers.local import EngineAddress, LocalTranslator
from cloche.snapshot import Bindings, Grant, LocalModel, Slot, Snapshot, compile_endpoint
from cloche.telemetry import CallRecord

TOKEN_KEY = b"k" * 32
TOKEN = "dapi0123"
ANN = Principal("7", "ann")
JSON_HEAD = {b"content-type": b"application/json"}
STREAM_HEAD = {b"content-type": b"text/event-stream"}


class Outbound:
    """One call that the gateway made: the test answers it."""

    def __init__(self, call: HttpCall, receiver: Receiver, timeouts: Timeouts) -> None:
        self.call = call
        self.timeouts = timeouts
        self.receiver = receiver
        self.cancelled = 0
        self.paused = False

    @property
    def body(self) -> dict[str, Any]:
        """What was asked."""
        body: dict[str, Any] = json.loads(b"".join(bytes(piece) for piece in self.call.body))
        return body

    def answer(self, data: bytes, status: int = 200, headers: Mapping[bytes, bytes] = JSON_HEAD) -> None:
        """A whole answer."""
        self.receiver.on_head(status, dict(headers))
        if data:
            self.receiver.on_data(data)
        self.receiver.on_end()

    def head(self) -> None:
        """The head of a stream."""
        self.receiver.on_head(200, dict(STREAM_HEAD))

    def pause(self) -> None:
        """Part of Exchange."""
        self.paused = True

    def resume(self) -> None:
        """Part of Exchange."""
        self.paused = False

    def cancel(self) -> None:
        """Part of Exchange."""
        self.cancelled += 1


class Client:
    """The way back, which remembers everything that went it.  `overhead`: the milliseconds that every head tells, which
    are never the same twice and so no part of `headers`.  `call`: whose way it is, as the edge's have it too."""

    def __init__(self) -> None:
        self.call: Call | None = None
        self.status = 0
        self.headers = b""
        self.overhead = -1.0
        self.body = b""
        self.wholes = self.begun = self.finished = 0

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """Part of Reply."""
        self.wholes += 1
        self.status, self.body = status, body
        self._head(headers)

    def begin(self, headers: bytes) -> None:
        """Part of Reply."""
        self.begun += 1
        self.status = 200
        self._head(headers)

    def send(self, data: bytes) -> None:
        """Part of Reply."""
        assert self.begun
        assert not self.finished
        self.body += data

    def finish(self) -> None:
        """Part of Reply."""
        self.finished += 1

    def _head(self, headers: bytes) -> None:
        told, _, self.headers = headers.partition(b"\r\n")
        name, _, value = told.partition(b": ")
        assert name == b"cloche-overhead-ms"
        self.overhead = float(value)

    @property
    def json(self) -> Any:
        """The body of an answer in one piece."""
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The events of a stream; the end mark as text."""
        decoder = sse.Decoder()
        payloads = decoder.feed(self.body) + decoder.close()
        return [payload.decode() if payload == sse.DONE else json.loads(payload) for payload in payloads]

    @property
    def over(self) -> bool:
        """Whether exactly one of the two ways to end was gone, once."""
        return (self.wholes, self.finished) in ((1, 0), (0, 1))


class Timer:
    """What a Clock hands out."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """It is not wanted any more."""
        self.cancelled = True


class Clock:
    """A clock that stands still unless it is set; `ring` makes everything due that waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[Timer] = []

    def time(self) -> float:
        """Part of slots.Clock."""
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        """Part of slots.Clock."""
        self._timers.append(Timer(callback))
        return self._timers[-1]

    def ring(self) -> None:
        """The time has come."""
        due, self._timers = self._timers, []
        for timer in due:
            if not timer.cancelled:
                timer.callback()


class Engine:
    """A model with a queue of its own and an engine that the test may stop."""

    def __init__(self, gate: Slots) -> None:
        self.gate = gate
        self.timeouts = Timeouts(first_byte=7.0)
        self.stalls = 0
        self.available = True
        self.problem: Problem | None = None
        address = EngineAddress(Origin("engine", 80, unix_path="/tmp/e.sock", reuse=False), "key", "m")
        self._translator = LocalTranslator(address, context_length=2048, max_tokens_default=99)

    def check_ready(self) -> None:
        """Part of LocalModel."""
        if self.problem is not None:
            raise self.problem

    def stalled(self) -> None:
        """Part of LocalModel."""
        self.stalls += 1

    def encode(self, request: ChatRequest, choice: int) -> HttpCall:
        """Part of LocalModel."""
        return self._translator.encode(request, choice)

    def decoder(self, request: ChatRequest, choice: int) -> Decoder:
        """Part of LocalModel."""
        return self._translator.decoder(request, choice)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """Part of LocalModel."""
        return self._translator.error(status, headers, body)


def external(name: str) -> ServedEntity:
    """A served entity behind an OpenAI-shaped provider."""
    settings = {"openai_api_key_plaintext": "sk-secret", "openai_api_base": f"http://{name}.test/v1"}
    return ServedEntity(name, ExternalModel(f"model-{name}", "openai", "llm/v1/chat", settings))


def _no_model(name: str) -> LocalModel:
    raise AssertionError(f"nobody serves {name} here")


def fresh_counters(slots: int = 64, now: Callable[[], float] = time.time) -> Counters:
    """A table of counters in a file that nobody else has and that is gone with the table."""
    with tempfile.TemporaryFile() as file:
        reserve_space(file.fileno(), slots * SLOT_BYTES)
        descriptor = os.dup(file.fileno())
    made = Counters(descriptor, slots, now)
    weakref.finalize(made, os.close, descriptor)
    return made


class World:
    """A gateway with two endpoints: `chat` is split between two providers, `local` runs on an engine.  `lines`: those
    that it shares with other gateways."""

    def __init__(
        self,
        *,
        parallel: int = 2,
        queue: int = 4,
        now: Callable[[], float] = time.time,
        lines: Lines | None = None,
    ) -> None:
        self.calls: list[Outbound] = []
        self.records: list[CallRecord] = []
        self.clock = Clock()
        self.slots = Slots(parallel, queue, 30.0, self.clock)
        self.engine = Engine(self.slots)
        self.snapshot = Slot(self._compiled({"local": self.engine}))
        self.counters = fresh_counters(now=now)
        self.lasting = Lasting(self.counters, Entities(lines))
        record = Recorder(self.records.append)
        self.gateway = Gateway(self.snapshot, Admission(TOKEN_KEY), self._send, record, self.lasting)

    def _compiled(self, models: Mapping[str, LocalModel]) -> Snapshot:
        split = Configuration(
            (external("first"), external("second"), external("spare")),
            (Route("first", 30), Route("second", 70), Route("spare", 0)),
        )
        local = Configuration((ServedEntity("own", entity_name="local"),), (Route("own", 100),))
        bindings = Bindings(lambda model: model, models.__getitem__, Timeouts())
        compiled = {}
        for name, configuration in (("chat", split), ("local", local)):
            endpoint = Endpoint(name, name, "ann", 0, 0, Properties(), Version(1, configuration, 0, "ann"))
            bound = compile_endpoint(endpoint, configuration, bindings)
            compiled[name] = structs.replace(bound, levels={ANN.id: Level.CAN_QUERY})
        return Snapshot(
            revision=1,
            endpoints=compiled,
            tokens={digest(TOKEN_KEY, TOKEN): Grant(ANN), digest(TOKEN_KEY, "old"): Grant(ANN, expires_at=1)},
        )

    def add(self, name: str, model: ExternalModel, *, strict: bool = False) -> None:
        """One more endpoint, in front of this model."""
        configuration = Configuration((ServedEntity(name, model),), (Route(name, 100),), strict_params=strict)
        endpoint = Endpoint(name, name, "ann", 0, 0, Properties(), Version(1, configuration, 0, "ann"))
        bound = compile_endpoint(endpoint, configuration, Bindings(lambda model: model, _no_model, Timeouts()))
        compiled = structs.replace(bound, levels={ANN.id: Level.CAN_QUERY})
        current = self.snapshot.current()
        self.snapshot.swap(structs.replace(current, endpoints={**current.endpoints, name: compiled}))

    def _send(self, call: HttpCall, receiver: Receiver, timeouts: Timeouts) -> Outbound:
        self.calls.append(Outbound(call, receiver, timeouts))
        return self.calls[-1]

    def ask(
        self,
        endpoint: str | None = "chat",
        entity: str | None = None,
        *,
        token: bytes | None = b"Bearer " + TOKEN.encode(),
        task: str = CHAT_TASK,
        path: str = "/chat",
        headers: Mapping[bytes, bytes] | None = None,
        raw: bytes | None = None,
        **fields: Any,
    ) -> tuple[Call, Client]:
        """A call as the edge makes it: opened, failed if it was not admitted, else answered.  `task`: what the path
        says where it names no endpoint."""
        client = Client()
        sent = dict(headers or {}) | ({} if token is None else {b"authorization": token})
        ask = Ask(path, endpoint, entity, sent, task)
        call = client.call = self.gateway.open(ask, client)
        if call.problem is not None:
            call.fail(call.problem)
            return call, client
        body = {"messages": [{"role": "user", "content": "hi"}], **fields}
        self.gateway.answer(call, ask, json.dumps(body).encode() if raw is None else raw)
        return call, client

    @property
    def last(self) -> Outbound:
        """The latest call of the gateway."""
        return self.calls[-1]

    @property
    def idle(self) -> bool:
        """Whether nothing of any call is left: no place in the engine or its queue, and no call under way."""
        return (self.slots.running, self.slots.waiting, self.gateway.active_calls) == (0, 0, 0)
