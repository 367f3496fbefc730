"""The two older tasks of OpenAI's interface, for whatever speaks it: text completions and embeddings.

Near identity, as with chats: the client's own bytes go on with the model's name put in.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from cloche.domain.chat import FinishReason, Usage
from cloche.domain.completion import CompletionRequest
from cloche.domain.embedding import EmbeddingRequest, Embeddings
from cloche.domain.endpoint import TASKS
from cloche.domain.errors import Problem, ProviderBroken
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers.base import status_in_error
from cloche.providers.openai_shaped import STREAM_ENDING, OpenAIShaped, write_body
from cloche.providers.site import Site

_encode = msgspec.json.Encoder().encode


class OpenAICompleter:
    """A served entity behind any service that takes and gives text completions."""

    __slots__ = ("_opening", "_site", "model")

    finishes: Mapping[str, FinishReason | None] = MappingProxyType({})
    """It has no finish reasons of its own."""

    def __init__(self, model: str, site: Site) -> None:
        self.model = model
        self._site = site
        self._opening = b'{"model":' + _encode(model)

    def encode(self, request: CompletionRequest, *, stream: bool) -> HttpCall:
        """The client's fields in their own bytes."""
        return self._site.call(write_body(self._opening, request.fields, STREAM_ENDING if stream else b"}"))

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """OpenAI-shaped errors, by the table in base.py."""
        return self._site.refusal(status, headers, body)


class _Vector(msgspec.Struct):
    embedding: list[float] | str
    index: int = -1


class _Usage(msgspec.Struct):
    prompt_tokens: int


class _Answer(msgspec.Struct):
    data: list[_Vector] = []
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw()


_read = msgspec.json.Decoder(_Answer).decode


class OpenAIEmbedder:
    """A served entity behind any service that takes and gives embeddings as OpenAI does."""

    __slots__ = ("_opening", "_site", "model")

    def __init__(self, model: str, site: Site) -> None:
        self.model = model
        self._site = site
        self._opening = b'{"model":' + _encode(model)

    def encode(self, request: EmbeddingRequest, report: Report) -> list[HttpCall]:
        """The client's fields in their own bytes, in one call."""
        return [self._site.call(write_body(self._opening, request.fields, b"}"))]

    def decode(self, body: bytes) -> Embeddings:
        """The vectors in the order of their indices."""
        try:
            answer = _read(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProviderBroken("the provider's answer holds no embeddings") from None
        if not answer.data:
            if bytes(answer.error) not in (b"", b"null"):
                raise self.error(status_in_error(body), {}, body)
            raise ProviderBroken("the provider's answer holds no embeddings")
        if all(each.index >= 0 for each in answer.data):
            answer.data.sort(key=lambda each: each.index)
        usage = None if answer.usage is None else Usage(answer.usage.prompt_tokens, 0)
        return Embeddings([each.embedding for each in answer.data], usage)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """OpenAI-shaped errors, by the table in base.py."""
        return self._site.refusal(status, headers, body)


_KINDS: Mapping[str, type[OpenAIShaped | OpenAICompleter | OpenAIEmbedder]] = MappingProxyType(
    dict(zip(TASKS, (OpenAIShaped, OpenAICompleter, OpenAIEmbedder), strict=True))
)


def for_task(task: str) -> type[OpenAIShaped | OpenAICompleter | OpenAIEmbedder]:
    """What speaks OpenAI's dialect for a task."""
    return _KINDS[task]
