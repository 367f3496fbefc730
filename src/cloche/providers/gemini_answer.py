"""Answers in the dialect of generateContent, which the Gemini API and Vertex AI share: objects in, Chunks out.

A stream is a row of the objects that a whole answer is one of, so both are read by the same code and cannot differ.
A function call comes whole, in one part.  The signature that a model wants back with a call travels inside the call's
id: the one thing that every client sends back unchanged.  Must not know requests or the network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct

from cloche.codec import sse, tolerant
from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Chunk, FinishReason, ReasoningDelta, ToolCallDelta, Usage
from cloche.domain.errors import Problem, ProviderBroken
from cloche.providers.gemini_grounding import citations

ErrorIn = Callable[[bytes], Problem]
"""What an error object inside an answer with status 200 means."""

_encode = msgspec.json.Encoder().encode

# ---------------------------------------------------------------- why an answer ends

WITHHELD: FinishReason = "content_filter"
"""Also for reasons that are unknown: the provider ended the answer by itself, so it is neither whole (`stop`) nor cut
by the caller's own bound (`length`)."""

FINISH = MappingProxyType[str, FinishReason](
    {
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "SAFETY": WITHHELD,
        "RECITATION": WITHHELD,
        "LANGUAGE": WITHHELD,
        "BLOCKLIST": WITHHELD,
        "PROHIBITED_CONTENT": WITHHELD,
        "SPII": WITHHELD,
        "MODEL_ARMOR": WITHHELD,
        "IMAGE_SAFETY": WITHHELD,
        "IMAGE_PROHIBITED_CONTENT": WITHHELD,
        "IMAGE_RECITATION": WITHHELD,
        "IMAGE_OTHER": WITHHELD,
        "NO_IMAGE": WITHHELD,
        "MALFORMED_FUNCTION_CALL": WITHHELD,
        "MALFORMED_RESPONSE": WITHHELD,
        "UNEXPECTED_TOOL_CALL": WITHHELD,
        "TOO_MANY_TOOL_CALLS": WITHHELD,
        "MISSING_THOUGHT_SIGNATURE": WITHHELD,
        "OTHER": WITHHELD,
        "FINISH_REASON_UNSPECIFIED": WITHHELD,
    }
)

_CALLS_STAND = frozenset(("STOP", "UNEXPECTED_TOOL_CALL"))
"""Reasons with which the calls of an answer are whole.  An unexpected call names a function that was not offered: the
caller's own loop says so to the model, as it does with any other provider."""


# ---------------------------------------------------------------- ids with signatures

_MARK = "_sig_"
_LONGEST_SIGNATURE = 32_768
"""Characters.  Recorded ones have up to three thousand; what is far beyond is nothing to hang on an id."""

_TO_URL = str.maketrans("+/", "-_")
_FROM_URL = str.maketrans("-_", "+/")


def signed_id(call_id: str, signature: str | None) -> str:
    """The id that the client is given: `call_id`, and behind a mark the signature in letters that every provider takes
    in an id."""
    if not signature or len(signature) > _LONGEST_SIGNATURE:
        return call_id
    return call_id + _MARK + signature.rstrip("=").translate(_TO_URL)


def split_id(given: str) -> tuple[str, str | None]:
    """The call's own id and its signature, from an id that a client sent."""
    call_id, mark, signature = given.partition(_MARK)
    if not mark:
        return given, None
    return call_id, signature.translate(_FROM_URL) + "=" * (-len(signature) % 4)


# ---------------------------------------------------------------- the objects


class _FunctionCall(Struct):
    name: str
    args: dict[str, Any] | None = None
    id: str | None = None


class _Part(Struct, rename="camel"):
    """A part, as far as it is text, thought or a call of a function."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _FunctionCall | None = None


_PART_FIELDS = frozenset(("text", "thought", "thoughtSignature", "functionCall"))
"""A part with a field beyond these is of another kind: code that the provider ran, its result, a call of its own tools,
an image.  It is kept as it came."""


class _Content(Struct):
    parts: list[dict[str, Any]] = []


class _Token(Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class _TopTokens(Struct):
    candidates: list[_Token] = []


class _Logprobs(Struct, rename="camel"):
    chosen_candidates: list[_Token] = []
    top_candidates: list[_TopTokens] = []


class _Candidate(Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    index: int = 0
    logprobs_result: _Logprobs | None = None
    grounding_metadata: dict[str, Any] | None = None
    citation_metadata: dict[str, Any] | None = None
    url_context_metadata: dict[str, Any] | None = None


class _Feedback(Struct, rename="camel"):
    block_reason: str | None = None


class _Usage(Struct, rename="camel"):
    """Counts of nothing are left out by the provider."""

    prompt_token_count: int | None = None
    candidates_token_count: int = 0
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None


class _Answer(Struct, rename="camel"):
    candidates: list[_Candidate] = []
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None
    response_id: str = ""
    error: Any = None


_read_answer = tolerant.reader(_Answer)
_read_answers = tolerant.reader(list[_Answer])


# ---------------------------------------------------------------- reading


class _OpenCandidate:
    """A candidate whose end has not come yet."""

    __slots__ = ("blocks", "calls", "finish", "in_block", "sources", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.sources: dict[str, dict[str, Any]] = {}  # what is told of them, by the name of its field
        self.blocks = 0
        self.calls = 0
        self.in_block = False  # the part before was reasoning
        self.finish: str | None = None


class Reader:
    """Takes the objects of one answer, one after another."""

    __slots__ = ("_blocked", "_candidates", "_usage")

    def __init__(self) -> None:
        self._candidates: dict[int, _OpenCandidate] = {}
        self._blocked = False
        self._usage: Usage | None = None

    def take(self, answer: _Answer) -> list[Chunk]:
        """The chunks that an object holds, none of them the last."""
        if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason:
            self._blocked = True
        self._usage = _usage(answer.usage_metadata) or self._usage
        chunks: list[Chunk] = []
        for candidate in answer.candidates:
            known = self._candidates.setdefault(candidate.index, _OpenCandidate())
            for part in candidate.content.parts if candidate.content is not None else ():
                chunk = _chunk(candidate.index, part, known, answer.response_id)
                if chunk is not None:
                    known.text.append(chunk.content)
                    chunks.append(chunk)
            if candidate.logprobs_result is not None:
                chunks.append(Chunk(index=candidate.index, logprobs=_logprobs(candidate.logprobs_result)))
            known.finish = candidate.finish_reason or known.finish
            for name, told in (
                ("groundingMetadata", candidate.grounding_metadata),
                ("citationMetadata", candidate.citation_metadata),
                ("urlContextMetadata", candidate.url_context_metadata),
            ):
                known.sources[name] = known.sources.get(name, {}) | (told or {})
        return chunks

    def close(self) -> list[Chunk]:
        """The end of each choice, with the usage on the last.  ProviderBroken if one has no end.

        A prompt that was blocked is an empty answer which was withheld, and no error: it is the same in a stream, and
        its tokens are counted.
        """
        if self._blocked and not self._candidates:
            return [Chunk(finish_reason=WITHHELD, usage=self._usage)]
        candidates = sorted(self._candidates.items())
        ends = [Chunk(index=index, finish_reason=_finish(each)) for index, each in candidates]
        if not ends:
            raise ProviderBroken("the provider's answer holds nothing")
        ends[-1] = msgspec.structs.replace(ends[-1], usage=self._usage)
        return [*(chunk for index, each in candidates for chunk in _sources(index, each)), *ends]


def _sources(index: int, candidate: _OpenCandidate) -> list[Chunk]:
    """What the answer rests on, known only at its end: the places count from the beginning of all the text."""
    told = {name: each for name, each in candidate.sources.items() if each}
    if not told:
        return []
    found = citations("".join(candidate.text), told.get("groundingMetadata", {}), told.get("citationMetadata", {}))
    return [Chunk(index=index, citations=tuple(found), extras=(told,))]


def _finish(candidate: _OpenCandidate) -> FinishReason:
    if candidate.finish is None:
        raise ProviderBroken("the provider's answer was cut off")
    if candidate.calls and candidate.finish in _CALLS_STAND:
        return "tool_calls"
    return FINISH.get(candidate.finish, WITHHELD)


def _chunk(index: int, given: dict[str, Any], candidate: _OpenCandidate, response_id: str) -> Chunk | None:
    """What a part says; None if that is nothing."""
    if not _PART_FIELDS.issuperset(given):
        candidate.in_block = False
        return Chunk(index=index, extras=(given,))
    try:
        part = msgspec.convert(given, _Part)
    except msgspec.ValidationError:
        raise ProviderBroken("the provider sent an answer that cannot be read") from None
    if part.function_call is not None:
        position = candidate.calls
        candidate.calls += 1
        candidate.in_block = False
        call = _tool_call(part, position, f"{response_id}/{index}")
        return Chunk(index=index, tool_calls=(call,))
    if part.thought:
        if not candidate.in_block:
            candidate.blocks += 1
            candidate.in_block = True
        piece = ReasoningDelta(candidate.blocks - 1, part.text or "", part.thought_signature)
        return Chunk(index=index, reasoning=(piece,))
    text = part.text or ""
    candidate.in_block = candidate.in_block and not text
    reasoning: tuple[ReasoningDelta, ...] = ()
    if part.thought_signature is not None and candidate.blocks:
        # The signature of a text is wished back, not demanded: where no reasoning is shown, nothing is made of it.
        reasoning = (ReasoningDelta(candidate.blocks - 1, signature=part.thought_signature),)
    return Chunk(index=index, content=text, reasoning=reasoning) if text or reasoning else None


def _tool_call(part: _Part, position: int, answer: str) -> ToolCallDelta:
    """The call, with an id that is unique: older models give none.  `answer`: what tells this choice from others."""
    call = part.function_call
    assert call is not None
    arguments = _encode(call.args or {}).decode()
    call_id = call.id
    if not call_id or _MARK in call_id:
        seed = f"{answer}/{position}/{call.name}/{arguments}"
        call_id = f"call_{hashlib.sha256(seed.encode()).hexdigest()[:24]}"
    return ToolCallDelta(position, signed_id(call_id, part.thought_signature), call.name, arguments)


def _usage(said: _Usage | None) -> Usage | None:
    """Reasoning counts as completion, as it does everywhere else; here it is told apart."""
    if said is None or said.prompt_token_count is None:
        return None
    return Usage(
        prompt_tokens=said.prompt_token_count,
        completion_tokens=said.candidates_token_count + (said.thoughts_token_count or 0),
        cached_tokens=said.cached_content_token_count,
        reasoning_tokens=said.thoughts_token_count,
    )


def _logprobs(said: _Logprobs) -> tuple[dict[str, Any], ...]:
    """Token records in OpenAI's shape; alternatives only where there are any."""
    records = []
    for position, chosen in enumerate(said.chosen_candidates):
        tops = said.top_candidates[position].candidates if position < len(said.top_candidates) else []
        records.append({**_record(chosen), "top_logprobs": [_record(each) for each in tops]})
    return tuple(records)


def _record(token: _Token) -> dict[str, Any]:
    return {"token": token.token, "logprob": token.log_probability, "bytes": list(token.token.encode())}


# ---------------------------------------------------------------- bodies


def decode(body: bytes, error_in: ErrorIn) -> ChatResponse:
    """A whole answer, or the list of pieces of one, as a service gives it that does not know `alt=sse`."""
    reader = Reader()
    chunks = [chunk for answer in _parsed(body) for chunk in _take(reader, answer, body, error_in)]
    assembly = Assembly()
    for chunk in (*chunks, *reader.close()):
        assembly.add(chunk)
    return assembly.response()


def _parsed(body: bytes) -> list[_Answer]:
    try:
        return _read_answers(body) if body.lstrip().startswith(b"[") else [_read_answer(body)]
    except tolerant.UNREADABLE:
        raise ProviderBroken("the provider sent an answer that cannot be read") from None


def _take(reader: Reader, answer: _Answer, body: bytes, error_in: ErrorIn) -> list[Chunk]:
    if answer.error is not None:
        raise error_in(body)
    return reader.take(answer)


class GenerateDecoder:
    """Reads a stream of server-sent events; there is no end mark, each choice's finish reason is its end."""

    __slots__ = ("_error_in", "_events", "_reader")

    def __init__(self, error_in: ErrorIn) -> None:
        self._events = sse.Decoder()
        self._reader = Reader()
        self._error_in = error_in

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes.  The Problem of an error event."""
        return self._chunks(self._events.feed(data))

    def close(self) -> list[Chunk]:
        """What was held back, then the end of each choice.  ProviderBroken if the stream was cut off."""
        return [*self._chunks(self._events.close()), *self._reader.close()]

    def _chunks(self, payloads: list[bytes]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for payload in payloads:
            if payload != sse.DONE:
                for answer in _parsed(payload):
                    chunks += _take(self._reader, answer, payload, self._error_in)
        return chunks
