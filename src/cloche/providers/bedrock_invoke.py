"""Models on Bedrock's InvokeModel: which family a model is of, and the call around that family's own JSON.

    POST /model/{id}/invoke                         the answer is the model's JSON
    POST /model/{id}/invoke-with-response-stream    frames, each with one JSON text of the model's, in base64

What a family says is in bedrock_invoke_*.py; this module must not know.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from cloche.codec.eventstream import Frames
from cloche.domain.chat import ChatRequest, ChatResponse, Chunk, FinishReason, Usage
from cloche.domain.errors import Problem, ProviderBroken
from cloche.domain.lending import Authorizer
from cloche.domain.outbound import HttpCall, Origin
from cloche.domain.translation import Report
from cloche.providers import bedrock_invoke_chat, bedrock_invoke_text
from cloche.providers.base import Decoder, refusal, render_head
from cloche.providers.bedrock_errors import bedrock_refusal, exception_in
from cloche.providers.bedrock_invoke_claude import Claude
from cloche.providers.bedrock_invoke_command_r import COMMAND_R
from cloche.providers.bedrock_invoke_dialect import Dialect, Reader, counted_in_head
from cloche.providers.bedrock_invoke_nova import Nova

_encode = msgspec.json.Encoder().encode

# ---------------------------------------------------------------- families

Family = Callable[[str], Dialect]


def _row(dialect: Dialect) -> Family:
    """A family whose models all speak alike."""
    return lambda model: dialect


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "anthropic.": Claude,
        "amazon.nova": Nova,
        "amazon.titan-t": _row(bedrock_invoke_text.TITAN),  # titan-text-… and titan-tg1-large
        "cohere.command-r": _row(COMMAND_R),
        "cohere.command": _row(bedrock_invoke_text.COMMAND),
        "ai21.j2": _row(bedrock_invoke_text.JURASSIC),
        "ai21.jamba": _row(bedrock_invoke_chat.JAMBA),
        "meta.llama2": _row(bedrock_invoke_text.LLAMA2),
        "meta.llama3": _row(bedrock_invoke_text.LLAMA3),
        "meta.llama4": _row(bedrock_invoke_text.LLAMA4),
        "mistral.mistral-7b": _row(bedrock_invoke_text.MISTRAL),
        "mistral.mixtral": _row(bedrock_invoke_text.MISTRAL),
        "mistral.mistral-small-2402": _row(bedrock_invoke_text.MISTRAL),
        "mistral.": _row(bedrock_invoke_chat.MISTRAL),
    }
)
"""Families by the beginning of a model's id; of several that fit the first counts."""

NEWEST: Mapping[str, str] = MappingProxyType(
    {
        "anthropic": "anthropic.",
        "amazon": "amazon.nova",
        "cohere": "cohere.command-r",
        "ai21labs": "ai21.jamba",
        "meta": "meta.llama3",
        "mistral": "mistral.",
    }
)
"""The family that a maker's model is held for where its id, as that of an inference profile, tells nothing."""


def dialect(model: str, maker: str) -> Dialect | None:
    """How a model wants to be spoken to; None where no family is known.

    Before the id itself there may be the place of an inference profile (`us.`, `global.`) or an ARN.
    """
    for beginning, family in FAMILIES.items():
        if re.search(rf"(?:\A|[./]){re.escape(beginning)}", model):
            return family(model)
    by_maker = NEWEST.get(maker.lower()) if model.startswith("arn:") and "foundation-model" not in model else None
    return FAMILIES[by_maker](model) if by_maker is not None else None


# ---------------------------------------------------------------- the call


class Door(NamedTuple):
    """Where Bedrock is: `path` is what comes before `/model`; `authorizer` signs the calls, or a header does."""

    origin: Origin
    path: str
    headers: dict[str, str]
    authorizer: Authorizer | None = None

    def head(self, model: str, operation: str) -> bytes:
        """The head of the calls of an operation."""
        return render_head(self.origin, f"{self.path}/model/{quote(model, safe='')}/{operation}", self.headers)


class Invoke:
    """A served entity behind InvokeModel."""

    __slots__ = ("_authorizer", "_dialect", "_head", "_origin", "_stream_head", "model")

    takes_n = False

    def __init__(self, model: str, spoken: Dialect, door: Door) -> None:
        self.model = model
        self._dialect = spoken
        self._origin = door.origin
        self._authorizer = door.authorizer
        self._head = door.head(model, "invoke")
        self._stream_head = door.head(model, "invoke-with-response-stream") if spoken.streams else self._head

    @property
    def finishes(self) -> Mapping[str, FinishReason | None]:
        """The family's finish reasons in the words of the API; None: the answer failed."""
        return self._dialect.finishes

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> HttpCall:
        """The call to make.  BadRequest for what the family cannot do."""
        body = self._dialect.encode(request, report, stream=stream)
        head = self._stream_head if stream else self._head
        return HttpCall(self._origin, head, (_encode(body),), self._authorizer)

    def decode(self, body: bytes) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none; the Problem of an error object."""
        return self._dialect.decode(body, self._error_inside)

    def decoder(self) -> Decoder:
        """The reader of a stream, or of a whole answer in its place where the family is not streamed."""
        if self._dialect.streams:
            return InvokeDecoder(self._dialect.reader(self._error_inside), self._head)
        return _WholeDecoder(self)

    def counted(self, headers: dict[bytes, bytes]) -> Usage | None:
        """Bedrock's count, which many families' JSON has no place for."""
        return counted_in_head(headers)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """A refusal, by Bedrock's table."""
        return bedrock_refusal(status, headers, body, self._head)

    def _error_inside(self, status: int, body: bytes) -> Problem:
        """An error object of the model's maker, after the status 200."""
        return refusal("bedrock", status, {}, body, self._head)


class _Piece(msgspec.Struct):
    """The payload of a frame; it is padded by a field that means nothing."""

    bytes: str


class InvokeDecoder:
    """Takes the events of a model out of the frames around them."""

    __slots__ = ("_frames", "_head", "_reader")

    def __init__(self, reader: Reader, head: bytes) -> None:
        self._frames = Frames()
        self._reader = reader
        self._head = head

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes.  An exception's Problem; ProviderBroken for what cannot be read."""
        chunks = []
        for frame in self._frames.feed(data):
            problem = exception_in(frame, self._head)
            if problem is not None:
                raise problem
            if frame.headers.get(":event-type") == "chunk":
                chunks += self._reader.take(_unwrapped(frame.payload))
        return chunks

    def close(self) -> list[Chunk]:
        """The last chunk.  ProviderBroken if the answer is not whole."""
        self._frames.close()
        return self._reader.close()


def _unwrapped(payload: bytes) -> bytes:
    try:
        return binascii.a2b_base64(msgspec.json.decode(payload, type=_Piece).bytes)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, binascii.Error):
        raise ProviderBroken("bedrock sent an event that cannot be read") from None


class _WholeDecoder:
    """Reads a whole answer where a stream is wanted: there is nothing to tell before its end."""

    __slots__ = ("_invoke", "_pieces")

    def __init__(self, invoke: Invoke) -> None:
        self._invoke = invoke
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[Chunk]:
        """Nothing yet."""
        self._pieces.append(data)
        return []

    def close(self) -> list[Chunk]:
        """The answer.  ProviderBroken for what is none."""
        answer = self._invoke.decode(b"".join(self._pieces))
        [choice] = answer.choices
        return [Chunk(content=choice.content), Chunk(finish_reason=choice.finish_reason, usage=answer.usage)]
