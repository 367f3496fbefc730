"""Text completions as clients send and receive them: the counterpart of openai.py for `llm/v1/completions`.

A provider that still has text completions gets the client's own fields; any other is asked in a chat of one message,
which is what its own documents advise.  The chat's answer becomes a text completion here: the same usage, finish
reasons and framing, with `text` where a chat has a message.  This module must not know who answers.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from cloche.codec import json_text
from cloche.domain.chat import ChatRequest, ChatResponse, Choice, Chunk, Usage
from cloche.domain.completion import CompletionParams, CompletionRequest
from cloche.domain.embedding import EmbeddingParams
from cloche.domain.errors import BadRequest
from cloche.domain.translation import Fate, Report
from cloche.wire.openai import Identity, merge_extra_params, read_chat, usage_fields

Params = TypeVar("Params", CompletionParams, EmbeddingParams)

_decode_params = msgspec.json.Decoder(CompletionParams).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode

_OBJECT = "text_completion"

_WITHOUT_CHAT_FORM = ("suffix", "echo", "best_of", "logprobs")
_IDLE = MappingProxyType({"suffix": "", "echo": False, "best_of": 1})
"""Values of these that ask for nothing."""


def read_completion(body: bytes) -> CompletionRequest:
    """A checked request.  BadRequest names the field that is wrong."""
    return CompletionRequest(*read_fields(body, _decode_params, 'a completions endpoint takes "prompt": "…"'))


def read_fields(body: bytes, decode: Callable[[bytes], Params], takes: str) -> tuple[Params, dict[str, Raw]]:
    """What a body says, checked, and all its fields.  BadRequest names the field that is wrong.

    `takes`: what a chat is told that came here, rather than that its own field is none or another one is missing.
    """
    json_text.check_utf8(body)
    try:
        fields = _decode_fields(body)
        if "messages" in fields:
            raise BadRequest(f"messages: {takes}")
        params = decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        json_text.raise_bad_request(error)
    json_text.check_duplicate_keys(body, len(fields))
    if params.extra_params:
        return read_fields(merge_extra_params(params.extra_params, fields), decode, takes)
    return params, fields


def as_chat(request: CompletionRequest, report: Report) -> ChatRequest:
    """The chat that asks for the same, checked as one.  BadRequest for what only a completion can be asked; `report` is
    told what becomes of the fields that a chat does not have."""
    if request.params.max_tokens == 0:
        raise BadRequest("max_tokens: this provider's models take chats only, whose answers have a token at least")
    message = {"role": "user", "content": request.text()}
    report.note("emulated", "prompt")
    fields = {name: value for name, value in request.fields.items() if name not in ("prompt", *_WITHOUT_CHAT_FORM)}
    for name in _WITHOUT_CHAT_FORM:
        value = getattr(request.params, name)
        if value is not None:
            fate: Fate = "mapped" if value == _IDLE.get(name) else "dropped"
            report.note(fate, name, "this provider's models take chats only")
    return read_chat(_encode({"messages": [message], **fields}))


def is_chat(body: bytes) -> bool:
    """Whether a body is that of a chat.  False for one that cannot be read: its reader says why."""
    try:
        return "messages" in _decode_fields(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False


def write_answer(response: ChatResponse, identity: Identity) -> bytes:
    """The body of a whole answer."""
    answer = _envelope(identity, [_choice(choice) for choice in response.choices])
    if response.usage is not None:
        answer["usage"] = usage_fields(response.usage)
    return _encode(answer)


def _choice(choice: Choice) -> dict[str, Any]:
    # A refusal is the text of an answer where there is no other place for it.
    return _text(choice.index, choice.content or choice.refusal, choice.finish_reason)


def write_role(identity: Identity, index: int) -> bytes | None:
    """None: a completion does not say who speaks."""
    return None


def write_chunk(chunk: Chunk, identity: Identity) -> bytes:
    """One event payload.  Usage goes where the chunk has it: with the finish reason."""
    event = _envelope(identity, [_text(chunk.index, chunk.content or chunk.refusal, chunk.finish_reason)])
    if chunk.usage is not None:
        event["usage"] = usage_fields(chunk.usage)
    return _encode(event)


def write_usage(usage: Usage, identity: Identity) -> bytes:
    """The event without choices that only `stream_options.include_usage` asks for."""
    return _encode(_envelope(identity, []) | {"usage": usage_fields(usage)})


def _envelope(identity: Identity, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": identity.id,
        "object": _OBJECT,
        "created": identity.created,
        "model": identity.model,
        "choices": choices,
    }


def _text(index: int, text: str, finish_reason: str | None) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}
    if finish_reason is not None:
        choice["finishReason"] = finish_reason
    return choice
