"""What a call would send to its provider or engine, made as for a real call, and not sent.

Guardrails on what is asked are applied.  Nothing is counted, limited or recorded, and no local engine is woken.  Must
not know how it is shown; the call has credentials in it.
"""

from __future__ import annotations

from typing import NamedTuple

from cloche.domain.chat import ChatRequest
from cloche.domain.endpoint import CHAT_TASK, EMBEDDINGS_TASK
from cloche.domain.outbound import Exchange, HttpCall, Receiver, Timeouts
from cloche.gateway import asking, guarding, routing
from cloche.gateway.asking import Request
from cloche.gateway.call import NOBODY, Call
from cloche.snapshot import CompiledEndpoint, Target
from cloche.wire.completions import read_completion
from cloche.wire.embeddings import read_embeddings
from cloche.wire.openai import read_chat


class Preview(NamedTuple):
    """`call`: the first, where several are made.  `translation`: what became of the request's fields."""

    target: Target
    call: HttpCall
    translation: str


class _Unsent:
    """An exchange that never begins."""

    def pause(self) -> None:
        """There is nothing to pause."""

    def resume(self) -> None:
        """There is nothing to resume."""

    def cancel(self) -> None:
        """There is nothing to cancel."""


def preview(compiled: CompiledEndpoint, entity: str | None, body: bytes) -> Preview:
    """What would be sent for a body.  `entity` None: to the first that has traffic.

    Problems as of a call: BadRequest, EndpointNotFound, NotReady where a local model is not loaded.
    """
    call = Call("", NOBODY)
    call.endpoint, call.task, call.strict = compiled.endpoint.name, compiled.task, compiled.strict
    request = _read(call, body)
    target = routing.choose(compiled, entity, 0.0)
    if compiled.guards is not None:
        admitted = guarding.admit(call, request, compiled.guards)
        assert admitted is not None, "only calls at certain paths are answered here"
        request = admitted
    if target.local is not None:
        assert isinstance(request, ChatRequest), "local models chat"
        return Preview(target, target.local.encode(request, 0), "")
    made: list[HttpCall] = []

    def keep(http_call: HttpCall, receiver: Receiver, timeouts: Timeouts) -> Exchange:
        made.append(http_call)
        return _Unsent()

    asking.ask(call, request, target, keep)
    return Preview(target, made[0], call.translation)


def _read(call: Call, body: bytes) -> Request:
    if call.task == EMBEDDINGS_TASK:
        return read_embeddings(body)
    request = read_chat(body) if call.task == CHAT_TASK else read_completion(body)
    call.stream = bool(request.params.stream)
    return request
