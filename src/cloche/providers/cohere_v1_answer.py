"""Answers of Cohere's chat API, version 1, whole or as a stream of events, as Chunks.

A stream ends with the whole answer.  What the events before it have told is passed on as it comes, and the rest is
taken from there by the same code that reads whole answers, so that the two cannot differ.  This module must not know
requests, settings or statuses, nor how the events are framed: other services than Cohere's frame them in other ways.
"""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec import Raw, Struct

from cloche.codec import tolerant
from cloche.codec.lines import LineDecoder
from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Chunk, ToolCallDelta, Usage
from cloche.domain.errors import ProviderBroken
from cloche.providers.cohere_answer import ErrorObject, finish_reason
from cloche.providers.cohere_citations import cite_documents

_EXTRAS = ("search_queries", "search_results", "documents")
"""What else version 1 tells: what it searched for, and what it found."""


class _Call(Struct):
    name: str
    parameters: Raw = Raw(b"{}")


class _Tokens(Struct):
    input_tokens: float | None = None
    output_tokens: float | None = None


class _Meta(Struct):
    tokens: _Tokens | None = None
    billed_units: _Tokens | None = None
    cached_tokens: float | None = None


class _Answer(Struct):
    text: str | None = None
    generation_id: str = ""
    finish_reason: str | None = None
    error: str | None = None
    tool_calls: list[_Call] | None = None
    citations: list[dict[str, Any]] | None = None
    documents: list[dict[str, Any]] | None = None
    search_queries: list[dict[str, Any]] | None = None
    search_results: list[dict[str, Any]] | None = None
    meta: _Meta | None = None
    message: str | None = None


class _Event(Struct):
    """`response` comes with the last one."""

    event_type: str = ""
    generation_id: str = ""
    text: str | None = None
    tool_calls: list[_Call] | None = None
    citations: list[dict[str, Any]] | None = None
    documents: list[dict[str, Any]] | None = None
    finish_reason: str | None = None
    error: str | None = None
    response: _Answer | None = None


_read_answer = tolerant.reader(_Answer)
_read_event = tolerant.reader(_Event)

# ---------------------------------------------------------------- pieces


def _calls(calls: list[_Call], generation: str) -> Chunk:
    """The calls.  This version gives them no ids, so each gets one that is made of what it is."""
    deltas = []
    for index, call in enumerate(calls):
        arguments = bytes(call.parameters).decode()
        seed = f"{generation}/{index}/{call.name}/{arguments}"
        call_id = f"call_{hashlib.sha256(seed.encode()).hexdigest()[:24]}"
        deltas.append(ToolCallDelta(index, call_id, call.name, arguments))
    return Chunk(tool_calls=tuple(deltas))


def _rest(answer: _Answer, *, told: str, called: bool) -> list[Chunk]:
    """What an answer says beyond the text and the calls that were told before."""
    chunks = []
    text = answer.text or ""
    if text.startswith(told) and len(text) > len(told):
        chunks.append(Chunk(content=text[len(told) :]))
    if answer.tool_calls and not called:
        chunks.append(_calls(answer.tool_calls, answer.generation_id))
    citations = tuple(cite_documents(answer.citations or (), answer.documents or ()))
    extras = {name: getattr(answer, name) for name in _EXTRAS if getattr(answer, name)}
    if citations or extras:
        chunks.append(Chunk(citations=citations, extras=(extras,) if extras else ()))
    return chunks


def _last(answer: _Answer, *, called: bool) -> Chunk:
    if answer.finish_reason is None and not answer.error:
        raise ProviderBroken("cohere ended its answer without a reason")
    finish = finish_reason(answer.finish_reason or "ERROR", answer.error)
    # Of an answer that calls, this version says that it is complete.
    finish = "tool_calls" if called and finish == "stop" else finish
    return Chunk(finish_reason=finish, usage=_usage(answer.meta))


def _usage(meta: _Meta | None) -> Usage | None:
    """What the model read and wrote, else what is billed, which leaves out what Cohere adds to the prompt."""
    for counted in (meta.tokens, meta.billed_units) if meta is not None else ():
        if counted is not None and counted.input_tokens is not None and counted.output_tokens is not None:
            assert meta is not None
            cached = None if meta.cached_tokens is None else int(meta.cached_tokens)
            return Usage(int(counted.input_tokens), int(counted.output_tokens), cached_tokens=cached)
    return None


# ---------------------------------------------------------------- whole answers


def read_answer(body: bytes, error: ErrorObject) -> ChatResponse:
    """A whole answer.  ProviderBroken for what is none, and for an error object what `error` makes of it."""
    try:
        answer = _read_answer(body)
    except tolerant.UNREADABLE:
        raise ProviderBroken("cohere sent an answer that cannot be read") from None
    if answer.text is None and not answer.tool_calls and answer.message is not None:
        raise error(body)
    assembly = Assembly()
    last = _last(answer, called=bool(answer.tool_calls))
    for chunk in (*_rest(answer, told="", called=False), last):
        assembly.add(chunk)
    return assembly.response()


# ---------------------------------------------------------------- streams


class EventReader:
    """Takes the events of one answer, one after another.  Those that tell nothing are passed over."""

    __slots__ = ("_error", "_generation", "_last", "_seen", "_told")

    def __init__(self, error: ErrorObject) -> None:
        self._error = error
        self._told: list[str] = []
        self._generation = ""
        self._seen = _Answer()  # what takes the whole answer's place where the last event has none
        self._last: Chunk | None = None

    def take(self, payload: bytes) -> list[Chunk]:
        """The chunks of an event.  A Problem if Cohere says that it failed; ProviderBroken for what is no event."""
        try:
            event = _read_event(payload)
        except tolerant.UNREADABLE:
            raise ProviderBroken("cohere sent an event that cannot be read") from None
        match event.event_type:
            case "stream-start":
                self._generation = event.generation_id
            case "text-generation" | "tool-calls-chunk":
                self._told.append(event.text or "")
                return [Chunk(content=event.text)] if event.text else []
            case "tool-calls-generation":
                self._seen.tool_calls = event.tool_calls
                return [_calls(event.tool_calls, self._generation)] if event.tool_calls else []
            case "citation-generation":
                self._seen.citations = [*(self._seen.citations or ()), *(event.citations or ())]
            case "search-results":
                self._seen.documents = [*(self._seen.documents or ()), *(event.documents or ())]
            case "stream-end":
                return self._end(event)
            case "":
                raise self._error(payload)
        return []

    def close(self) -> Chunk:
        """The last chunk.  ProviderBroken if the answer has not ended."""
        if self._last is None:
            raise ProviderBroken("cohere's answer was cut off")
        return self._last

    def _end(self, event: _Event) -> list[Chunk]:
        answer = event.response or self._seen
        answer.finish_reason = event.finish_reason or answer.finish_reason
        answer.error = event.error or answer.error
        answer.generation_id = self._generation or answer.generation_id
        called = bool(self._seen.tool_calls)
        self._last = _last(answer, called=called or bool(answer.tool_calls))
        return _rest(answer, told="".join(self._told), called=called)


class CohereV1Decoder:
    """Reads a stream of events, one on each line."""

    __slots__ = ("_lines", "_reader")

    def __init__(self, error: ErrorObject) -> None:
        self._lines = LineDecoder()
        self._reader = EventReader(error)

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes.  A Problem if Cohere says that it failed."""
        return [chunk for line in self._lines.feed(data) for chunk in self._reader.take(line)]

    def close(self) -> list[Chunk]:
        """The last chunk, after what the body's end completes.  ProviderBroken if the answer has not ended."""
        chunks = [chunk for line in self._lines.close() for chunk in self._reader.take(line)]
        return [*chunks, self._reader.close()]
