"""Asking one target: the call to make for what is asked, by what the target speaks, and who takes the answer.

What is asked is read once; a target may be asked after another has failed, so nothing of a request is changed here.
Must not know why a target was chosen.
"""

from __future__ import annotations

from cloche.domain.chat import ChatParams, ChatRequest
from cloche.domain.completion import CompletionParams, CompletionRequest
from cloche.domain.embedding import EmbeddingRequest
from cloche.domain.outbound import Receiver, Send
from cloche.domain.translation import Report
from cloche.gateway.call import Call
from cloche.gateway.embedding import EmbeddingRun
from cloche.gateway.foreign import ForeignRun
from cloche.gateway.relay import StreamRelay, WholeRelay
from cloche.gateway.translated import LocalRun
from cloche.providers.base import Completer, Translator
from cloche.snapshot import Target
from cloche.wire.completions import as_chat
from cloche.wire.openai import Identity
from cloche.wire.passthrough import Stream, form_of

Request = ChatRequest | CompletionRequest | EmbeddingRequest
"""What is asked, by the task."""


def ask(call: Call, request: Request, target: Target, send: Send) -> None:
    """Ask a target.  A Problem if it cannot be asked that; what goes wrong later is told to the call."""
    call.target = target
    if call.trace is not None:
        send = call.trace.attempt(call, request, target, send)
    if isinstance(request, ChatRequest):
        _chat(call, request, target, send)
    elif isinstance(request, CompletionRequest):
        _complete(call, request, target, send)
    else:
        assert target.embedder is not None
        EmbeddingRun(call, target.embedder, request).start(send, target.timeouts)


def _chat(call: Call, request: ChatRequest, target: Target, send: Send) -> None:
    identity = Identity(f"chatcmpl-{call.id}", int(call.arrived), target.model)
    if target.local is not None:
        LocalRun(call, target.local, request, identity).start(send)
        return
    if target.foreign is not None:
        report = Report(strict=call.strict)
        ForeignRun(call, target.foreign, request, identity).start(send, target.timeouts, report)
        return
    translator = target.translator
    assert translator is not None
    if translator.differs:
        report = Report(strict=call.strict)
        translator.note(request, report)
        call.tell(report)
    relay = _relay(call, translator, identity, request.params, request.params.n or 1)
    call.source = send(translator.encode(request, stream=call.stream), relay, target.timeouts)


def _complete(call: Call, request: CompletionRequest, target: Target, send: Send) -> None:
    identity = Identity(f"cmpl-{call.id}", int(call.arrived), target.model)
    if target.foreign is not None:
        report = Report(strict=call.strict)
        chat = as_chat(request, report)
        ForeignRun(call, target.foreign, chat, identity).start(send, target.timeouts, report)
        return
    completer = target.completer
    assert completer is not None
    relay = _relay(call, completer, identity, request.params, request.expected)
    call.source = send(completer.encode(request, stream=call.stream), relay, target.timeouts)


def _relay(
    call: Call,
    translator: Translator | Completer,
    identity: Identity,
    params: ChatParams | CompletionParams,
    expected: int,
) -> Receiver:
    """What passes an OpenAI-shaped answer on.  `expected`: choices."""
    if not call.stream:
        return WholeRelay(call, translator, identity)
    stream = Stream(
        identity,
        expected=expected,
        separate_usage=params.stream_options is not None and params.stream_options.include_usage,
        finishes=translator.finishes,
        form=form_of(call.task),
    )
    return StreamRelay(call, translator, stream)
