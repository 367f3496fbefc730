"""OpenAI-shaped answers on their way to an OpenAI-shaped client: bytes pass through, and only what must change is
touched.

A whole answer is decoded once, completed to what every client needs (wire/openai.py says what) and encoded again: about
3 µs for half a kilobyte.  Of a stream, each event is read by a decoder that looks at four fields (about 0.6 µs); events
in the middle pass as they came, the finishing one is held until usage is known and carries it.  Nothing is invented:
a missing finish reason stays missing, and a stream that ends without one is an error.
This module must not know HTTP, or which provider answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from cloche.codec import sse
from cloche.domain.chat import FinishReason, Usage
from cloche.domain.endpoint import CHAT_TASK
from cloche.domain.errors import ProviderBroken
from cloche.wire.openai import Identity
from cloche.wire.usage import read_usage, whole_counts

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

Finishes = Mapping[str, FinishReason | None]
"""A provider's own finish reasons in the words of the API; None: the answer failed.  Others stay as they are."""

NO_OTHER_FINISHES: Finishes = MappingProxyType({})


class ProviderErrorInAnswer(Exception):
    """An error object where an answer should be; `body` is the provider's JSON, for the provider to classify."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body


class WholeAnswer(Struct, frozen=True):
    """What is sent to the client, and the usage the provider counted."""

    body: bytes
    usage: Usage | None


def _complete_message(choice: dict[str, Any]) -> None:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise ProviderBroken("the provider's answer has a choice without a message")
    message.setdefault("role", "assistant")
    calls = message.get("tool_calls")
    if message.get("content") is None:
        message["content"] = None if calls else ""
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and not isinstance(function.get("arguments"), str):
            # Clients read JSON in a text there; some services give the object itself, or nothing.
            function["arguments"] = _encode(function.get("arguments") or {}).decode()


def _complete_text(choice: dict[str, Any]) -> None:
    if not isinstance(choice.get("text"), str):
        raise ProviderBroken("the provider's answer has a choice without text")


class Form(NamedTuple):
    """What tells a chat's answer from a text completion's.

    `whole`, `event`: what the answer, or an event of its stream, says that it is.  `complete`: completes a choice of a
    whole answer.  `nothing`: what a choice has in an event that only ends it.
    """

    whole: str
    event: str
    complete: Callable[[dict[str, Any]], None]
    nothing: Mapping[str, Any]


CHAT = Form("chat.completion", "chat.completion.chunk", _complete_message, MappingProxyType({"delta": {}}))
TEXT = Form("text_completion", "text_completion", _complete_text, MappingProxyType({"text": ""}))


def form_of(task: str) -> Form:
    """What an answer of a task looks like."""
    return CHAT if task == CHAT_TASK else TEXT


def complete_answer(
    body: bytes, identity: Identity, finishes: Finishes = NO_OTHER_FINISHES, form: Form = CHAT
) -> WholeAnswer:
    """The provider's whole answer, completed.  ProviderBroken if it is none; ProviderErrorInAnswer for a 200 with an
    error inside."""
    answer = _read(body)
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or not choices:
        if isinstance(answer, dict) and answer.get("error"):
            raise ProviderErrorInAnswer(body)
        raise ProviderBroken("the provider's answer has no choices")
    for position, choice in enumerate(choices):
        if not isinstance(choice, dict):
            raise ProviderBroken("the provider's answer has a choice that is not an object")
        form.complete(choice)
        _complete_index(choice, position)
        choice["finishReason"] = choice.setdefault("finish_reason", None)
        if finishes:
            _translate_finish(choice, finishes)
    _complete_envelope(answer, identity, form.whole)
    usage = answer.get("usage")
    if isinstance(usage, dict):
        answer["usage"] = whole_counts(usage)
    return WholeAnswer(_encode(answer), read_usage(usage))


def _read(text: bytes) -> Any:
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderBroken("the provider sent something that is not valid JSON") from None


def _translate_finish(choice: dict[str, Any], finishes: Finishes) -> None:
    reason = choice["finish_reason"]
    if isinstance(reason, str) and reason in finishes:
        translated = finishes[reason]
        if translated is None:
            raise ProviderBroken(f"the provider gave its answer up in the middle, with the reason '{reason}'")
        choice["finish_reason"] = choice["finishReason"] = translated


def _complete_index(choice: dict[str, Any], position: int) -> None:
    if type(choice.get("index")) is not int:
        choice["index"] = position


def _complete_envelope(answer: dict[str, Any], identity: Identity, kind: str) -> None:
    if not answer.get("id") or not isinstance(answer["id"], str):
        answer["id"] = identity.id
    if not isinstance(answer.get("created"), int):
        answer["created"] = identity.created
    if not isinstance(answer.get("model"), str):
        answer["model"] = identity.model
    answer["object"] = kind


# ---------------------------------------------------------------- streams


class _Choice(Struct):
    index: int
    finish_reason: str | None = None


class _Event(Struct):
    """The fields of a chunk that decide whether it can pass untouched."""

    id: str = ""
    choices: list[_Choice] = []
    usage: dict[str, Any] | None = None
    error: Any = None


_look = msgspec.json.Decoder(_Event).decode


class _PlainChoice(Struct):
    index: int
    finish_reason: None = None


class _PlainEvent(Struct):
    """What decodes as this can pass as it is, and changes nothing in what is known of the stream: the decoder itself
    says so, in half the time that looking at the fields would take."""

    id: Annotated[str, Meta(min_length=1)]
    choices: Annotated[list[_PlainChoice], Meta(min_length=1, max_length=1)]
    usage: None = None
    error: None = None


_check_plain = msgspec.json.Decoder(_PlainEvent).decode


class Stream:
    """One OpenAI-shaped stream, fed with body bytes in any cut, giving the bytes for the client.

    `done`: the end mark is among the bytes given.  `failure`: why the stream cannot go on; what came before it has been
    given.  `complete`: every expected choice has its finish reason, so nothing is missing even if the connection
    breaks.  A provider's end mark is its word that the stream is whole: some never send a finish reason, and none is
    made up for them.  A stream that ends without the mark must be complete.
    """

    __slots__ = (
        "_begun",
        "_decoder",
        "_expected",
        "_finished",
        "_finishes",
        "_form",
        "_held",
        "_identity",
        "_separate_usage",
        "_usage_fields",
        "_usage_waits",
        "done",
        "failure",
    )

    def __init__(
        self,
        identity: Identity,
        *,
        expected: int = 1,
        separate_usage: bool = False,
        finishes: Finishes = NO_OTHER_FINISHES,
        form: Form = CHAT,
    ) -> None:
        self._identity = identity
        self._form = form
        self._finishes = finishes
        self._expected = expected
        self._separate_usage = separate_usage
        self._decoder = sse.Decoder()
        self._held: dict[str, Any] | None = None  # the finishing event, once there is one
        self._finished: set[int] = set()
        self._usage_fields: dict[str, Any] | None = None
        self._usage_waits = False  # usage has come, and not been passed on
        self._begun = False  # a choice has come
        self.done = False
        self.failure: ProviderBroken | ProviderErrorInAnswer | None = None

    @property
    def usage(self) -> Usage | None:
        """Usage so far; parsed when asked for."""
        return read_usage(self._usage_fields)

    @property
    def complete(self) -> bool:
        """Whether every expected choice has finished."""
        return len(self._finished) >= self._expected

    def feed(self, data: bytes) -> bytes:
        """Bytes for the client, perhaps none."""
        if self.done:
            return b""
        if self._held is None and (payloads := self._decoder.whole_events(data)):
            try:
                for payload in payloads:
                    _check_plain(payload)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass  # the finishing event, or one that is off
            else:
                self._begun = True
                return data
        return self._relay(data, at_end=False)

    def end(self) -> bytes:
        """The body ended: the rest of the stream, or a failure if an answer is missing its end."""
        out = b"" if self.done else self._relay(b"", at_end=True)
        if self.done or self.failure is not None:
            return out
        if not self.complete:
            self.failure = ProviderBroken("the provider's stream ended before the answer was finished")
            return out
        return out + self.finish()

    def finish(self) -> bytes:
        """The last chunk with what usage there is, and the end mark.  Only when `complete`."""
        out: list[bytes] = []
        self._finish(out)
        return sse.encode_all(out)

    def give_up(self) -> bytes:
        """What is still held back when the stream fails."""
        held, self._held = self._held, None
        return sse.encode(_encode(held)) if held is not None else b""

    def _relay(self, data: bytes, *, at_end: bool) -> bytes:
        out: list[bytes] = []
        try:
            for payload in self._decoder.close() if at_end else self._decoder.feed(data):
                if payload.strip() == sse.DONE:
                    if not self._begun:
                        raise ProviderBroken("the provider's stream ended before there was an answer")
                    self._finish(out)
                    break
                if payload:  # an empty event is a sign of life
                    self._take(payload, out)
        except (ProviderBroken, ProviderErrorInAnswer) as failure:
            self.failure = failure
        return sse.encode_all(out)

    def _take(self, payload: bytes, out: list[bytes]) -> None:
        try:
            event = _look(payload)
        except msgspec.ValidationError:
            payload = self._rewrite(payload)
            event = _look(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProviderBroken("the provider sent something that is not valid JSON") from None
        if event.error:
            raise ProviderErrorInAnswer(payload)
        if event.usage is not None:
            self._usage_fields = whole_counts(event.usage)
            self._usage_waits = True
        if not event.choices:
            return  # a usage chunk, or content-filter results ahead of the answer, which crash `choices[0]`
        self._begun = True
        if not event.id:
            payload = self._rewrite(payload)
        if self._held is not None:
            out.append(_encode(self._held))
            self._held = None
        finished = {choice.index for choice in event.choices if choice.finish_reason}
        if finished:
            self._held = self._finishing(payload)
            self._finished |= finished
        else:
            out.append(payload)
            self._usage_waits = self._usage_waits and event.usage is None

    def _finishing(self, payload: bytes) -> dict[str, Any]:
        """An event that finishes a choice, read and completed, so that nothing can go wrong when it is sent."""
        event: dict[str, Any] = _read(payload)
        for choice in event["choices"]:
            if choice.get("finish_reason"):
                choice["finishReason"] = choice["finish_reason"]
                _translate_finish(choice, self._finishes)
        return event

    def _rewrite(self, payload: bytes) -> bytes:
        """An event whose shape is off, put right: ids, indices and empty strings instead of null or nothing."""
        event = _read(payload)
        if not isinstance(event, dict):
            raise ProviderBroken("the provider's stream has an event that is not an object")
        choices = event.get("choices")
        event["choices"] = choices if isinstance(choices, list) else []
        for position, choice in enumerate(event["choices"]):
            if not isinstance(choice, dict):
                raise ProviderBroken("the provider's stream has a choice that is not an object")
            _complete_index(choice, position)
            if not isinstance(choice.get("finish_reason"), str):
                choice["finish_reason"] = None
        if not isinstance(event.get("usage"), dict):
            event.pop("usage", None)
        _complete_envelope(event, self._identity, self._form.event)
        return _encode(event)

    def _finish(self, out: list[bytes]) -> None:
        self.done = True
        last, self._held = self._held, None
        usage = {} if self._usage_fields is None else {"usage": self._usage_fields}
        if last is None:
            # The provider ended its stream in order without finishing a choice last: nothing is added but the usage.
            last = {"id": self._identity.id, "object": self._form.event}
            last |= {"created": self._identity.created, "model": self._identity.model, "choices": []}
            if not self._usage_waits:
                usage = {}
            elif not self._separate_usage:
                last["choices"] = [{"index": 0, **self._form.nothing, "finish_reason": None}]
        last.pop("usage", None)
        if usage and self._separate_usage:
            envelope = {name: last.get(name) for name in ("id", "object", "created", "model")}
            out += [_encode(last)] if last["choices"] else []
            out.append(_encode({**envelope, "choices": [], **usage}))
        elif last["choices"]:
            out.append(_encode({**last, **usage}))
        out.append(sse.DONE)
