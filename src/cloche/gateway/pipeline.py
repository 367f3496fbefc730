"""The hot path, told once: admit, read, route, relay, record.

Everything here is synchronous up to the provider; the rest of a call happens in the callbacks of its relay.  Nothing in
this package opens a database, reads the environment or waits.
"""

from __future__ import annotations

import functools
import logging
import random
import time
from collections import Counter
from collections.abc import Callable

from cloche.domain.access import Level
from cloche.domain.chat import ChatRequest
from cloche.domain.endpoint import CHAT_TASK, COMPLETIONS_TASK, EMBEDDINGS_TASK
from cloche.domain.errors import BadRequest, NotReady, Problem
from cloche.domain.outbound import Send
from cloche.gateway import asking, routing
from cloche.gateway.admission import Admission, check_level
from cloche.gateway.asking import Request
from cloche.gateway.call import Call, Reply
from cloche.gateway.governor import Governor, Lasting
from cloche.gateway.idempotency import HEADER, Once
from cloche.snapshot import CompiledEndpoint, Slot, Snapshot
from cloche.wire.completions import is_chat, read_completion
from cloche.wire.embeddings import read_embeddings
from cloche.wire.openai import read_chat

log = logging.getLogger("cloche.gateway")

KEEP_ALIVE_SECONDS = 10.0
"""How often the composition root calls `keep_alive`: a silent stream gets a sign of life after 10 to 20 seconds."""


class Ask:
    """What the edge knows of a call besides its body.  `endpoint` None: the body's `model` names it, and `task` is what
    the path asks for; else what is asked for is what the endpoint does.

    `headers`: names in lower case; of a repeated field the last value counts.
    """

    __slots__ = ("endpoint", "entity", "headers", "path", "task")

    def __init__(
        self,
        path: str,
        endpoint: str | None,
        entity: str | None,
        headers: dict[bytes, bytes],
        task: str = CHAT_TASK,
    ) -> None:
        self.path = path
        self.endpoint = endpoint
        self.entity = entity
        self.headers = headers
        self.task = task

    @property
    def folds(self) -> bool:
        """Whether this client asks for a stream but can only read an answer in one piece.

        The Databricks SDK's `query(stream=True)` feeds the event stream to a JSON parser and crashes.  It sends
        `Accept: application/json` to a path that names the endpoint; MLflow's `predict_stream`, which does stream,
        bears the same user agent but sends `*/*`.
        """
        headers = self.headers
        return (
            self.endpoint is not None
            and b"databricks-sdk-py/" in headers.get(b"user-agent", b"")
            and headers.get(b"accept") == b"application/json"
        )


def _strict(ask: Ask) -> bool:
    """Whether the caller wants to lose no field.  BadRequest for what says neither: as a no, it would lose some."""
    said = ask.headers.get(b"cloche-strict-params", b"false").lower()
    if said not in (b"true", b"false"):
        raise BadRequest("cloche-strict-params: must be true or false")
    return said == b"true"


def _task(ask: Ask, snapshot: Snapshot, body: bytes) -> str:
    """What is asked for: as the path says, or else as the endpoint does.  EndpointNotFound."""
    if ask.endpoint is not None:
        return routing.find(snapshot, ask.endpoint).task
    # Databricks' JavaScript provider sends chats to the path of completions.
    return CHAT_TASK if ask.task == COMPLETIONS_TASK and is_chat(body) else ask.task


class Gateway:
    """Answers calls from the current snapshot.

    `send`: upstream/'s entry.  `on_call_end`: where records go.  `lasting`: what the endpoints' rules need.
    """

    def __init__(
        self,
        slot: Slot,
        admission: Admission,
        send: Send,
        on_call_end: Callable[[Call], None],
        lasting: Lasting,
    ) -> None:
        self._slot = slot
        self._admission = admission
        self._send = send
        self._governor = Governor(slot, send, lasting, self.ask_inside)
        self._answers = lasting.answers
        self._tracer = lasting.tracer
        self._on_call_end = on_call_end
        self._live: set[Call] = set()
        self._draining = False

    @property
    def active_calls(self) -> int:
        """Calls that have not ended."""
        return len(self._live)

    def running(self) -> Counter[str]:
        """How many calls of each endpoint have not ended, by the name that was asked for.  From any thread."""
        return Counter(call.endpoint for call in tuple(self._live) if call.endpoint is not None)

    def open(self, ask: Ask, reply: Reply) -> Call:
        """A new call, admitted or failed: its `grant` or its `problem` is set.  Nothing is sent yet, so that the
        edge may read the rest of the request first."""
        call = Call(ask.path, reply)
        call.on_end = self._end
        self._live.add(call)
        try:
            if self._draining:
                raise NotReady("cloche is shutting down")
            call.grant = self._admission.authenticate(ask.headers.get(b"authorization"), self._slot.current())
        except Problem as problem:
            call.problem = problem
        return call

    def answer(self, call: Call, ask: Ask, body: bytes) -> None:
        """Answer an admitted call whose body is complete.  Never raises."""
        if self._tracer is not None:
            self._tracer.begin(call, ask.headers)
        call.guard(self._read, call, ask, body)

    def _read(self, call: Call, ask: Ask, body: bytes) -> None:
        snapshot = self._slot.current()
        call.endpoint = ask.endpoint
        call.strict = _strict(ask)
        call.task = task = _task(ask, snapshot, body)
        if task == CHAT_TASK:
            chat = read_chat(body)
            call.stream = bool(chat.params.stream) and not ask.folds
            self._begin(call, ask, chat, snapshot, body)
        elif task == EMBEDDINGS_TASK:
            self._begin(call, ask, read_embeddings(body), snapshot, body)
        else:
            completion = read_completion(body)
            call.stream = bool(completion.params.stream) and not ask.folds
            self._begin(call, ask, completion, snapshot, body)

    def _begin(self, call: Call, ask: Ask, request: Request, snapshot: Snapshot, body: bytes) -> None:
        """See that the caller may ask it, by the endpoint's rules, and ask."""
        params = request.params
        call.client_request_id = params.client_request_id
        endpoint, entity = ask.endpoint, ask.entity
        if endpoint is None:
            endpoint, entity = routing.split_model(params.model)
        call.endpoint = endpoint
        compiled = routing.find(snapshot, endpoint)
        call.strict = call.strict or compiled.strict
        assert call.grant is not None
        check_level(call.grant, compiled, Level.CAN_QUERY)
        routing.check_task(compiled, call.task)
        key = ask.headers.get(HEADER)
        if key is None or self._answers is None:
            self._ask(call, ask, request, compiled, entity)
            return
        go_on = functools.partial(self._ask, call, ask, request, compiled, entity)
        asked = b"%b %b" % ((entity or "").encode(), body)
        on_replay = functools.partial(self._governor.note_replay, call, request, compiled)
        Once(self._answers, call, go_on, on_replay).begin(key, compiled.endpoint.id, asked)

    def ask_inside(self, call: Call, request: ChatRequest) -> None:
        """Have a call of cloche's own answered, whose endpoint and grant are set.  Never raises."""
        call.on_end = self._end
        self._live.add(call)
        call.guard(self._ask_inside, call, request)

    def _ask_inside(self, call: Call, request: ChatRequest) -> None:
        """Whoever made the rules that want it was permitted to ask; by the endpoint's own rules it goes like others."""
        ask = Ask(call.path, call.endpoint, None, {})
        compiled = routing.find(self._slot.current(), call.endpoint or "")
        routing.check_task(compiled, call.task)
        self._ask(call, ask, request, compiled, None)

    def _ask(self, call: Call, ask: Ask, request: Request, compiled: CompiledEndpoint, entity: str | None) -> None:
        if compiled.rules is not None:
            call.headers = ask.headers
            self._governor.begin(call, request, compiled, entity)
        else:
            target = routing.choose(compiled, entity, random.random())  # noqa: S311 (a traffic split)
            asking.ask(call, request, target, self._send)
        call.sent_at = time.perf_counter()

    def _end(self, call: Call) -> None:
        self._live.discard(call)
        if call.usage is not None and not call.usage.is_sound:
            call.usage = None  # a provider's mistake is estimated like what it does not tell
        if call.reservation is not None:
            call.reservation.settle(call)
        if call.spending is not None:
            call.spending.settle(call)
        if call.trace is not None and self._tracer is not None:
            self._tracer.note(call, call.trace)
        self._on_call_end(call)

    def keep_alive(self) -> None:
        """Give the silent streams a sign of life."""
        for call in list(self._live):
            call.keep_alive()

    def drain(self) -> None:
        """Take no new calls; those under way go on."""
        self._draining = True

    def abort(self) -> None:
        """Fail every call under way: the time for draining is over."""
        for call in list(self._live):
            source, call.governed = call.source, None  # there is no other attempt
            call.fail(NotReady("cloche was shut down before the answer was finished"))
            if source is not None:
                source.cancel()
