"""What a message bears that is neither its words nor its calls: nothing of it is lost in silence.

Clients send back what an answer had: annotations, citations, a provider's own pieces, the reasoning of services that
give it a field of its own.  A dialect that has no place for a field says so in the report by these words.  Must not
know any provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw, Struct

from cloche.domain.translation import Report

_OF_A_MESSAGE = frozenset(("role", "content", "name", "refusal", "tool_calls", "tool_call_id", "cache_control"))
_OF_A_CALL = frozenset(("id", "type", "index", "function", "cache_control"))
_OF_A_PART: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        kind: frozenset(("type", "cache_control", field))
        for kind, field in (
            ("text", "text"),
            ("refusal", "refusal"),
            ("image_url", "image_url"),
            ("input_audio", "input_audio"),
            ("file", "file"),
            ("reasoning", "summary"),
        )
    }
)
"""Fields that every translator looks at, of parts by their kind; parts of other kinds are each provider's own."""

_NOTHING = frozenset((b"null", b"[]", b"{}", b'""', b"false"))


class _Part(Struct, forbid_unknown_fields=True):
    type: Raw
    text: Raw = Raw()
    image_url: Raw = Raw()
    input_audio: Raw = Raw()
    file: Raw = Raw()
    refusal: Raw = Raw()
    summary: Raw = Raw()
    cache_control: Raw = Raw()


class _Call(Struct, forbid_unknown_fields=True):
    id: Raw
    function: Raw
    type: Raw = Raw()
    index: Raw = Raw()
    cache_control: Raw = Raw()


class _Message(Struct, forbid_unknown_fields=True):
    """A message of which nothing is to be told; nearly all are such, and are found out in a tenth of the time."""

    role: Raw
    content: str | list[_Part] | None = None
    name: Raw = Raw()
    refusal: Raw = Raw()
    tool_calls: list[_Call] | None = None
    tool_call_id: Raw = Raw()
    cache_control: Raw = Raw()


_check_plain = msgspec.json.Decoder(list[_Message]).decode

Fields = dict[str, Raw]
_read_messages = msgspec.json.Decoder(list[Fields]).decode
_read_list = msgspec.json.Decoder(list[Fields]).decode
_read_kind = msgspec.json.Decoder(str).decode


def note_unheard(messages: Raw, report: Report, heard: frozenset[str] = frozenset()) -> None:
    """Tell of the fields of messages, parts and calls that go no further.  `heard`: those that this dialect has a
    place for, by the names that the report has for them."""
    try:
        _check_plain(messages)
        return
    except msgspec.ValidationError:
        pass  # there is a field beyond those that all know
    for message in _read_messages(messages):
        for name in _unheard(message):
            if name not in heard:
                report.note("dropped", name, "it has no place for that in a message")


def _unheard(message: Fields) -> Iterator[str]:
    yield from _beyond(message, _OF_A_MESSAGE, "messages")
    content = bytes(message.get("content", b""))
    for part in _read_list(content) if content.startswith(b"[") else ():
        known = _OF_A_PART.get(_read_kind(part["type"]))
        if known is not None:
            yield from _beyond(part, known, "messages.content")
    calls = bytes(message.get("tool_calls", b""))
    for call in _read_list(calls) if calls.startswith(b"[") else ():
        yield from _beyond(call, _OF_A_CALL, "messages.tool_calls")


def _beyond(fields: Fields, known: frozenset[str], path: str) -> Iterator[str]:
    return (f"{path}.{name}" for name, value in fields.items() if name not in known and bytes(value) not in _NOTHING)


def content_of(message: Mapping[str, Any]) -> Any:
    """A message's content; where it has none and refused, the words of that, as OpenAI gives them."""
    return message.get("content") or message.get("refusal") or message.get("content")
