"""Where the text is in what clients ask and are answered: the JSON around it stays as it is, known or not.

Every text of a message counts, also the arguments and results of tool calls, reasoning and refusals, and what cloche
does not know; what is no text of anybody's, as ids and pictures, does not.  Arguments are JSON themselves: their texts
and numbers are looked at one by one, so that they stay JSON.  Of an event stream, texts are held back as guard.py says,
and arguments until they are whole.  This module must not know HTTP, or what becomes of a blocked call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from cloche.domain.chat import ChatParams, ChatRequest
from cloche.domain.completion import CompletionParams, CompletionRequest
from cloche.domain.embedding import EmbeddingParams, EmbeddingRequest
from cloche.domain.errors import BadRequest
from cloche.guardrails.guard import Blocked, Guard, Reason, anonymized

Request = ChatRequest | CompletionRequest | EmbeddingRequest

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_ASKED = ("messages", "prompt", "suffix", "input")
"""The fields of a request that hold what is asked."""

_NO_TEXT = frozenset(
    (
        *("role", "type", "id", "tool_call_id", "call_id", "name", "signature", "format", "media_type"),
        *("cache_control", "image_url", "input_audio", "file", "data", "encrypted_content", "url"),
    )
)
"""Fields of a message that are no text of anybody's, or a picture's or a sound's bytes."""

_ARGUMENTS = frozenset(("arguments", "partial_json"))

Pass = Callable[[str], str]
"""What becomes of a text.  Raises Blocked."""


def passed(value: Any, take: Pass) -> Any:
    """A decoded piece of a message with its texts passed."""
    if type(value) is str:
        return take(value)
    if type(value) is dict:
        return {name: _field(name, inner, take) for name, inner in value.items()}
    if type(value) is list:
        return [passed(inner, take) for inner in value]
    return value


def _field(name: str, value: Any, take: Pass) -> Any:
    if name in _NO_TEXT:
        return value
    if name in _ARGUMENTS and type(value) is str:
        return arguments_passed(value, take)
    return passed(value, take)


def arguments_passed(text: str, take: Pass) -> str:
    """The arguments of a tool call: JSON in a text, which stays JSON.  What is no JSON is a text like any other."""
    try:
        given = _decode(text)
        taken = _leaves_passed(given, take)
    except (msgspec.DecodeError, RecursionError):
        return take(text)
    return text if taken == given else _encode(taken).decode()


def _leaves_passed(value: Any, take: Pass) -> Any:
    if type(value) is str:
        return take(value)
    if type(value) is int:
        taken = take(str(value))
        return value if taken == str(value) else taken
    if type(value) is dict:
        return {take(name): _leaves_passed(inner, take) for name, inner in value.items()}
    if type(value) is list:
        return [_leaves_passed(inner, take) for inner in value]
    return value


# ---------------------------------------------------------------- requests


def request_passed(request: Request, guard: Guard) -> Request:
    """The request with its texts passed: the same one if nothing changed.  Raises Blocked; BadRequest for tokens, which
    cannot be read.  About 5 µs besides what the guard takes, and as much again where something is masked."""
    changed: dict[str, Raw] = {}
    for name in _ASKED:
        if name not in request.fields:
            continue
        given = _decode(request.fields[name])
        if name in ("prompt", "input"):
            _refuse_tokens(name, given)
        try:
            taken = passed(given, guard.passed)
        except RecursionError:
            raise BadRequest(f"{name}: nested too deep to be read") from None
        if taken != given:
            changed[name] = Raw(_encode(taken))
    return _changed(request, {**request.fields, **changed}) if changed else request


def _refuse_tokens(name: str, given: Any) -> None:
    """Tokens are numbers, in a list or in lists of a list."""
    for each in given if isinstance(given, list) else ():
        if not isinstance(each, str):
            raise BadRequest(f"{name}: this endpoint has guardrails, which read texts and no tokens")


def _changed(request: Request, fields: Mapping[str, Raw]) -> Request:
    body = _encode(fields)
    if isinstance(request, ChatRequest):
        return ChatRequest(msgspec.json.decode(body, type=ChatParams), fields)
    if isinstance(request, CompletionRequest):
        return CompletionRequest(msgspec.json.decode(body, type=CompletionParams), fields)
    return EmbeddingRequest(msgspec.json.decode(body, type=EmbeddingParams), fields)


# ---------------------------------------------------------------- whole answers


def answer_passed(body: bytes, guard: Guard) -> bytes:
    """A whole answer with its texts passed.  Token records go: they hold the text that is masked.  Raises Blocked."""
    answer = _decode(body)
    for choice in answer["choices"]:
        if choice.get("logprobs") is not None:
            choice["logprobs"] = None
        for name in ("message", "text"):
            if name in choice:
                choice[name] = passed(choice[name], guard.passed)
    return _encode(answer)


# ---------------------------------------------------------------- what a blocked call is answered


def blocked(side: str, why: Blocked, request: Request | None = None) -> BadRequest:
    """The error of a call that a guardrail has stopped, as Databricks words it: JSON in the message of the envelope.
    `request`: what was asked, told masked to whoever asked it; an answer is not told."""
    told = {
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
        f"{side}_guardrail": [_verdict(why.reason, [] if request is None else _anonymized(request))],
        "finishReason": f"{side}_guardrail_triggered",
    }
    return BadRequest(_encode(told).decode(), summary=f"{side} guardrail triggered: {why.reason}")


def _verdict(reason: Reason, texts: list[dict[str, str]]) -> dict[str, Any]:
    is_pii = reason == "pii"
    return {
        "flagged": not is_pii,
        "categories": None if is_pii else {reason: True},
        "category_scores": None,
        "pii_detection": is_pii,
        "anonymized_input": texts,
    }


def _anonymized(request: Request) -> list[dict[str, str]]:
    asked = next(_decode(request.fields[name]) for name in ("messages", "prompt", "input") if name in request.fields)
    messages = asked if isinstance(request, ChatRequest) else [{"role": "user", "content": asked}]
    return [{"role": each["role"], "content": anonymized(_said(each.get("content")))} for each in messages]


def _said(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(each if isinstance(each, str) else each.get("text") or "" for each in content)
    return content or ""
