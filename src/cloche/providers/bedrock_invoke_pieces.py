"""Answers that are one text, of families on Bedrock's InvokeModel, whole and in the events of a stream.

Each family has shapes of its own, which are read as a `Piece`; from there on they are all alike.  Must not know
requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Chunk, FinishReason
from cloche.domain.errors import ProviderBroken
from cloche.providers.bedrock_invoke_dialect import GUARDRAIL_FINISH, Envelope, counted, finish, read

Finishes = Mapping[str, FinishReason | None]

# ---------------------------------------------------------------- finish reasons

TITAN_FINISH: Finishes = MappingProxyType(
    {
        "FINISH": "stop",
        "FINISHED": "stop",
        "STOP_CRITERIA_MET": "stop",
        "RAG_QUERY_WHEN_RAG_DISABLED": "stop",
        "LENGTH": "length",
        "CONTENT_FILTERED": "content_filter",
    }
)
COMMAND_FINISH: Finishes = MappingProxyType(
    {
        "COMPLETE": "stop",
        "STOP_SEQUENCE": "stop",
        "MAX_TOKENS": "length",
        "ERROR_LIMIT": "length",
        "ERROR_TOXIC": "content_filter",
        "ERROR": None,
    }
)
JURASSIC_FINISH: Finishes = MappingProxyType({"endoftext": "stop", "stop": "stop", "length": "length"})
LLAMA_FINISH: Finishes = MappingProxyType({"stop": "stop", "length": "length"})
MISTRAL_FINISH: Finishes = MappingProxyType({"stop": "stop", "length": "length"})
CLAUDE_FINISH: Finishes = MappingProxyType({"stop_sequence": "stop", "max_tokens": "length"})


# ---------------------------------------------------------------- answers


class Piece(NamedTuple):
    """An answer or a piece of one.  `reason` is there at the end; a count where the family gives it there."""

    text: str
    reason: str | None = None
    prompt: float | None = None
    completion: float | None = None
    ended: bool = False


ReadPiece = Callable[[bytes], Piece]


class _TitanResult(Struct):
    text: str = msgspec.field(default="", name="outputText")
    tokens: float | None = msgspec.field(default=None, name="tokenCount")
    reason: str | None = msgspec.field(default=None, name="completionReason")


class _Titan(Struct):
    results: list[_TitanResult]
    tokens: float | None = msgspec.field(default=None, name="inputTextTokenCount")


class _TitanEvent(_TitanResult):
    prompt: float | None = msgspec.field(default=None, name="inputTextTokenCount")
    total: float | None = msgspec.field(default=None, name="totalOutputTextTokenCount")


def titan(body: bytes) -> Piece:
    """Titan: a whole answer."""
    answer = read(body, _Titan)
    first = answer.results[0] if answer.results else _TitanResult()
    return Piece(first.text, first.reason, answer.tokens, first.tokens)


def titan_event(event: bytes) -> Piece:
    """Titan: an event."""
    piece = read(event, _TitanEvent)
    # The count of all that was written comes at the end, also where a guardrail leaves the reason out.
    return Piece(piece.text, piece.reason, piece.prompt, piece.total, ended=piece.total is not None)


class _Generation(Struct):
    text: str = ""
    finish_reason: str | None = None
    index: int = 0


class _Command(Struct):
    generations: list[_Generation]


def command(body: bytes) -> Piece:
    """Command: a whole answer."""
    answer = read(body, _Command)
    first = answer.generations[0] if answer.generations else _Generation()
    return Piece(first.text, first.finish_reason)


def command_event(event: bytes) -> Piece:
    """Command: an event."""
    piece = read(event, _Generation)
    # One generation is asked for; of several the first counts.
    return Piece("" if piece.index else piece.text, piece.finish_reason)


class _JurassicText(Struct):
    text: str = ""
    tokens: list[Any] | None = None


class _JurassicFinish(Struct):
    reason: str | None = None


class _JurassicCompletion(Struct):
    data: _JurassicText
    finish: _JurassicFinish | None = msgspec.field(default=None, name="finishReason")


class _Jurassic(Struct):
    completions: list[_JurassicCompletion]
    prompt: _JurassicText | None = None


def jurassic(body: bytes) -> Piece:
    """Jurassic: a whole answer."""
    answer = read(body, _Jurassic)
    if not answer.completions:
        return Piece("")
    first, asked = answer.completions[0], answer.prompt or _JurassicText()
    reason = first.finish.reason if first.finish is not None else None
    # It gives its tokens one by one in place of a count.
    prompt = None if asked.tokens is None else len(asked.tokens)
    return Piece(first.data.text, reason, prompt, None if first.data.tokens is None else len(first.data.tokens))


class _Llama(Struct):
    generation: str = ""
    stop_reason: str | None = None
    prompt_token_count: float | None = None
    generation_token_count: float | None = None


def llama(body: bytes) -> Piece:
    """Llama: a whole answer or an event."""
    piece = read(body, _Llama)
    return Piece(piece.generation, piece.stop_reason, piece.prompt_token_count, piece.generation_token_count)


class _Output(Struct):
    text: str = ""
    stop_reason: str | None = None


class _Mistral(Struct):
    outputs: list[_Output] = []


def mistral(body: bytes) -> Piece:
    """Mistral: a whole answer or an event."""
    answer = read(body, _Mistral)
    first = answer.outputs[0] if answer.outputs else _Output()
    return Piece(first.text, first.stop_reason)


class _Completion(Struct):
    completion: str
    stop_reason: str | None = None


def claude_completion(body: bytes) -> Piece:
    """What Claude models answer to a text in place of messages, whole or piece by piece."""
    piece = read(body, _Completion)
    return Piece(piece.completion, piece.stop_reason)


def whole_text(body: bytes, look: ReadPiece, finishes: Finishes) -> ChatResponse:
    """A whole answer.  ProviderBroken for what is none, or has no end."""
    piece = look(body)
    if piece.reason is not None:
        reason = finish(piece.reason, finishes)
    elif read(body, Envelope).blocked:
        reason = GUARDRAIL_FINISH
    else:
        raise ProviderBroken("bedrock sent an answer without an end")
    assembly = Assembly()
    usage = counted(piece.prompt, piece.completion)
    assembly.add(Chunk(content=piece.text, finish_reason=reason, usage=usage))
    return assembly.response()


class TextReader:
    """Reads the stream of one text."""

    __slots__ = ("_completion", "_finish", "_finishes", "_look", "_prompt")

    def __init__(self, look: ReadPiece, finishes: Finishes) -> None:
        self._look = look
        self._finishes = finishes
        self._finish: FinishReason | None = None
        self._prompt: float | None = None
        self._completion: float | None = None

    def take(self, event: bytes) -> list[Chunk]:
        """The text of an event.  ProviderBroken if it cannot be read, or says that the answer failed."""
        piece, envelope = self._look(event), read(event, Envelope)
        metrics = envelope.metrics
        if piece.reason is not None:
            self._finish = finish(piece.reason, self._finishes)
        elif envelope.blocked and (piece.ended or metrics is not None):
            self._finish = GUARDRAIL_FINISH
        if piece.prompt is not None:
            self._prompt = piece.prompt
        elif metrics is not None and self._prompt is None:
            self._prompt = metrics.input
        if piece.completion is not None:
            self._completion = piece.completion
        elif metrics is not None and self._completion is None:
            self._completion = metrics.output
        return [Chunk(content=piece.text)] if piece.text else []

    def close(self) -> list[Chunk]:
        """The last chunk.  ProviderBroken if the model did not say why it ended."""
        if self._finish is None:
            raise ProviderBroken("bedrock's answer was cut off")
        return [Chunk(finish_reason=self._finish, usage=counted(self._prompt, self._completion))]
