"""Where the text is in what clients ask and are answered: the JSON around it stays as it is, known or not.

Every text of a message counts, also the arguments and results of tool calls, reasoning and refusals, and what cloche
does not know; what is no text of anybody's, as ids and pictures, does not.  Arguments are JSON themselves: their texts
and numbers are looked at one by one, so that they stay JSON.  Of an event stream, texts are held back as guard.py says,
and arguments until they are whole.  This module must not know HTTP, or what becomes of a blocked call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec import Raw

from cloche.domain.chat import ChatParams, ChatRequest
from cloche.domain.completion import CompletionParams, CompletionRequest
from cloche.domain.embedding import EmbeddingParams, EmbeddingRequest
from cloche.domain.errors import BadRequest
from cloche.guardrails.guard import Passing, anonymized
from cloche.guardrails.verdict import Blocked

Request = ChatRequest | CompletionRequest | EmbeddingRequest

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_ASKED = ("messages", "prompt", "suffix", "input", "prediction")
"""The fields of a request that hold what is asked."""

_NO_TEXT = frozenset(
    (
        *("role", "type", "id", "tool_call_id", "call_id", "name", "signature", "format", "media_type"),
        *("cache_control", "image_url", "input_audio", "file", "data", "encrypted_content", "url"),
    )
)
"""Fields of a message that are no text of anybody's, or a picture's or a sound's bytes."""

_ENVELOPE = frozenset(
    (
        *("id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "obfuscation"),
        "prompt_filter_results",
    )
)
"""Fields of an answer, or of an event, around what is said."""

_OF_CHOICE = frozenset(
    (
        *("index", "message", "delta", "text", "finish_reason", "finishReason", "stop_reason", "logprobs"),
        "content_filter_results",
    )
)
"""Fields of a choice that are no text, or that are looked at by themselves."""

_MISSHAPEN = (AttributeError, TypeError, KeyError)
"""What is raised where something has not the shape that it should have: then its texts cannot be found."""

WITHHELD = "the provider's words may not be passed on (output guardrail)"

_ARGUMENTS = frozenset(("arguments", "partial_json", "input", "args"))

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
    if name in _ARGUMENTS:
        # Beside OpenAI's JSON in a text there are objects; the names in them are the tool's, and mean nothing here.
        return arguments_passed(value, take) if type(value) is str else _leaves_passed(value, take)
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


def request_passed(request: Request, guard: Passing) -> Request:
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


def answer_passed(body: bytes, guard: Passing) -> bytes:
    """A whole answer with its texts passed.  Token records go: they hold the text that is masked.  Raises Blocked."""
    answer = _decode(body)
    with readable():
        around_passed(answer, guard.passed)
        for choice in answer["choices"]:
            beside_passed(choice, guard.passed)
            for name in ("message", "text"):
                if name in choice:
                    choice[name] = passed(choice[name], guard.passed)
    return _encode(answer)


def around_passed(answer: dict[str, Any], take: Pass) -> bool:
    """Pass what an answer or an event has besides its choices, as citations and results of a search; whether there was
    any."""
    if answer.keys() <= _ENVELOPE:
        return False
    answer.update({name: passed(value, take) for name, value in answer.items() if name not in _ENVELOPE})
    return True


def beside_passed(choice: dict[str, Any], take: Pass) -> None:
    """Pass what a choice has besides what it says; its token records go."""
    if choice.get("logprobs") is not None:
        choice["logprobs"] = None
    if not choice.keys() <= _OF_CHOICE:
        choice.update({name: passed(value, take) for name, value in choice.items() if name not in _OF_CHOICE})


@contextmanager
def readable() -> Iterator[None]:
    """Raises Blocked for what has another shape than it should have: nobody has looked at its texts."""
    try:
        yield
    except _MISSHAPEN:
        raise Blocked("unreadable") from None


def error_passed(error: dict[str, Any], guard: Passing) -> dict[str, Any]:
    """An error, in the shapes of errors.py, with its words passed: a provider may quote in them what was asked, or what
    it would have answered.  Words that may not be said are left out."""
    for told in (error, error.get("error")):
        if isinstance(told, dict) and isinstance(told.get("message"), str):
            try:
                told["message"] = guard.passed(told["message"])
            except Blocked:
                told["message"] = WITHHELD
    return error


def error_body_passed(body: bytes, guard: Passing) -> bytes:
    """The same of an error in one piece."""
    return _encode(error_passed(_decode(body), guard))


# ---------------------------------------------------------------- what a blocked call is answered


def blocked(side: str, why: Blocked, request: Request | None = None) -> BadRequest:
    """The error of a call that a guardrail has stopped, as Databricks words it: JSON in the message of the envelope.
    `request`: what was asked, told masked to whoever asked it; an answer is not told."""
    told = {
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
        f"{side}_guardrail": [_verdict(why, [] if request is None else _anonymized(request))],
        "finishReason": f"{side}_guardrail_triggered",
    }
    return BadRequest(_encode(told).decode(), summary=f"{side} guardrail triggered: {why.reason}")


def _verdict(why: Blocked, texts: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "flagged": why.reason != "pii",
        "categories": why.categories,
        "category_scores": why.scores,
        "pii_detection": why.reason == "pii",
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
