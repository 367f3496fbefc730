"""A recorded exchange sent through the real gateway again, and both sides of it read the same slow way."""

from __future__ import annotations

import json
from typing import Any

from cloche.domain.errors import ProviderBroken
from cloche.telemetry import CallRecord
from gateway.scripted import Client, World

from .recordings import Recording


class Replayed:
    """What the client of a replayed call got."""

    def __init__(self, recording: Recording, pieces: list[bytes], *, broken: bool = False) -> None:
        world = World()
        request = {name: value for name, value in recording.request.items() if name != "model"}
        stream = recording.framing == "sse"
        _, self.client = world.ask(entity="first", raw=json.dumps({**request, "stream": stream}).encode())
        receiver = world.last.receiver
        receiver.on_head(recording.status, {b"content-type": recording.content_type.encode()})
        for piece in pieces:
            receiver.on_data(piece)
        if broken:
            receiver.on_failure(ProviderBroken("cut"))
        else:
            receiver.on_end()
        assert self.client.over
        assert world.idle
        [self.record] = world.records

    client: Client
    record: CallRecord


def sse_events(stream: bytes) -> list[Any]:
    """The data of a stream's events as JSON, without the end mark, read line by line."""
    lines = stream.replace(b"\r\n", b"\n").split(b"\n")
    payloads = [line[5:].strip() for line in lines if line.startswith(b"data:")]
    return [json.loads(payload) for payload in payloads if payload and payload != b"[DONE]"]


def deltas(events: list[Any]) -> list[tuple[int, Any]]:
    """What the events say, choice by choice and in order: index, delta and finish reason."""
    return [
        (choice.get("index", 0), (choice.get("delta"), choice.get("finish_reason")))
        for event in events
        for choice in event.get("choices") or []
    ]


def finishes(events: list[Any]) -> list[str]:
    """The finish reasons in a stream."""
    return [finish for _, (_, finish) in deltas(events) if finish]


def usage_of(events: list[Any]) -> Any:
    """The last usage in a stream."""
    return next((event["usage"] for event in reversed(events) if event.get("usage")), None)


def said(message: dict[str, Any]) -> tuple[str, list[tuple[str, Any]]]:
    """Text and tool calls of a message."""
    content = message.get("content") or ""
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content)
    text = content if isinstance(content, str) else json.dumps(content)
    calls = [call["function"] for call in message.get("tool_calls") or [] if call.get("function")]
    return text, [(call["name"], arguments(call.get("arguments"))) for call in calls]


def arguments(text: Any) -> Any:
    """Arguments as the reference reading gives them: as JSON where they are."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text or "{}")
    except ValueError:
        return text


def assembled(events: list[Any]) -> tuple[str, list[tuple[str, Any]]]:
    """Text and tool calls of the first choice of a stream."""
    text, calls = "", dict[int, dict[str, str]]()
    for index, (delta, _) in deltas(events):
        if index == 0 and delta:
            content = delta.get("content") or ""
            text += content if isinstance(content, str) else said(delta)[0]
            for position, call in enumerate(delta.get("tool_calls") or []):
                whole = calls.setdefault(call.get("index", position), {"name": "", "arguments": ""})
                function = call.get("function") or {}
                whole["name"] += function.get("name") or ""
                whole["arguments"] += function.get("arguments") or ""
    return text, [(call["name"], arguments(call["arguments"])) for _, call in sorted(calls.items())]
