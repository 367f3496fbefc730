"""Asking a model behind InvokeModel in the tests: its translator, what it would be sent, and what its events tell."""

from __future__ import annotations

import base64
import json
from typing import Any

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse
from cloche.domain.outbound import Origin
from cloche.domain.translation import Report
from cloche.providers.bedrock_invoke import Door, Invoke, dialect
from cloche.wire.openai import read_chat
from codec.frames import event

DOOR = Door(Origin("bedrock.test", 443, tls=True), "/base", {"x-signed": "0123456789abcdef"})
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi."}]}


def invoke(model: str, maker: str = "") -> Invoke:
    """The translator for a model."""
    spoken = dialect(model, maker)
    assert spoken is not None, model
    return Invoke(model, spoken, DOOR)


def sent(model: str, *, strict: bool = False, stream: bool = False, **fields: Any) -> tuple[dict[str, Any], Report]:
    """The body that a request becomes, and what was noted; one message of a user where none is given."""
    report = Report(strict=strict)
    request = read_chat(json.dumps({**ASKED, **fields}).encode())
    call = invoke(model).encode(request, report, stream=stream)
    return json.loads(b"".join(bytes(piece) for piece in call.body)), report


def framed(*events: Any) -> bytes:
    """A stream of a model's events."""
    return b"".join(
        event("chunk", bytes=base64.b64encode(json.dumps(each).encode()).decode(), p="abcd") for each in events
    )


def streamed(model: str, *events: Any) -> ChatResponse:
    """The answer that a stream gives."""
    decoder, assembly = invoke(model).decoder(), Assembly()
    for chunk in [*decoder.feed(framed(*events)), *decoder.close()]:
        assembly.add(chunk)
    return assembly.response()


def whole(model: str, answer: Any) -> ChatResponse:
    """A whole answer."""
    return invoke(model).decode(json.dumps(answer).encode())
