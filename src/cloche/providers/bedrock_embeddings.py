"""Embeddings on Bedrock, by InvokeModel: Amazon's Titan, one text for a call, and Cohere's Embed, up to 96.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-mm.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html.  Only Titan counts tokens in its
answer.  Must not know chat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from cloche.domain.chat import Usage
from cloche.domain.embedding import EmbeddingParams, EmbeddingRequest, Embeddings
from cloche.domain.errors import Problem
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers import cohere_embeddings
from cloche.providers.bedrock_errors import bedrock_refusal
from cloche.providers.bedrock_invoke import Door
from cloche.providers.bedrock_invoke_dialect import Json, counted_in_head, read

_encode = msgspec.json.Encoder().encode

# ---------------------------------------------------------------- answers


class _Titan(Struct):
    embedding: list[float]
    tokens: float | None = msgspec.field(default=None, name="inputTextTokenCount")


def _titan_answer(body: bytes) -> Embeddings:
    answer = read(body, _Titan)
    usage = None if answer.tokens is None else Usage(int(answer.tokens), 0)
    return Embeddings([answer.embedding], usage)


# ---------------------------------------------------------------- families


class Family(NamedTuple):
    """`bodies`: the body of each call, without what is the same in all; `dimensions`: the path of that field, empty
    where the length of a vector is fixed; `extra`: whether fields are passed on that cloche does not know."""

    bodies: Callable[[list[str]], list[Json]]
    answer: Callable[[bytes], Embeddings]
    dimensions: tuple[str, ...] = ()
    extra: bool = True
    defaults: Mapping[str, Any] = MappingProxyType({})


def _one_by_one(texts: list[str]) -> list[Json]:
    return [{"inputText": text} for text in texts]


def _many(texts: list[str]) -> list[Json]:
    return [{"texts": batch} for batch in cohere_embeddings.batches(texts)]


_BY_INPUT = MappingProxyType({"input_type": cohere_embeddings.DEFAULT_INPUT_TYPE})

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "amazon.titan-embed-text-v2": Family(_one_by_one, _titan_answer, ("dimensions",)),
        "amazon.titan-embed-text": Family(_one_by_one, _titan_answer, extra=False),
        "amazon.titan-embed-g1": Family(_one_by_one, _titan_answer, extra=False),
        "amazon.titan-embed-image": Family(_one_by_one, _titan_answer, ("embeddingConfig", "outputEmbeddingLength")),
        "cohere.embed-v4": Family(_many, cohere_embeddings.decode, ("output_dimension",), defaults=_BY_INPUT),
        "cohere.embed": Family(_many, cohere_embeddings.decode, defaults=_BY_INPUT),
    }
)
"""Families by the beginning of a model's id; of several that fit the first counts."""


def family(model: str) -> Family | None:
    """How an embeddings model wants to be spoken to; None where no family is known."""
    for beginning, found in FAMILIES.items():
        if re.search(rf"(?:\A|[./]){re.escape(beginning)}", model):
            return found
    return None


# ---------------------------------------------------------------- the calls

_NUMBERS_ONLY = ("embeddingTypes", "embedding_types", "images", "inputs")
"""Fields by which a vector would be something else than numbers, or be made of something else than the texts."""


class BedrockEmbedder:
    """A served entity that gives vectors."""

    __slots__ = ("_door", "_family", "_head", "model")

    def __init__(self, model: str, spoken: Family, door: Door) -> None:
        self.model = model
        self._family = spoken
        self._door = door
        self._head = door.head(model, "invoke")

    def encode(self, request: EmbeddingRequest, report: Report) -> list[HttpCall]:
        """The calls, one after another.  BadRequest for tokens in place of texts."""
        texts, common = request.texts(), self._common(request, report)
        return [
            HttpCall(self._door.origin, self._head, (_encode({**body, **common}),), self._door.authorizer)
            for body in self._family.bodies(texts)
        ]

    def decode(self, body: bytes) -> Embeddings:
        """One call's answer.  ProviderBroken for what is none."""
        return self._family.answer(body)

    def counted(self, headers: dict[bytes, bytes]) -> Usage | None:
        """Bedrock's count, which many families' JSON has no place for."""
        return counted_in_head(headers)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """A refusal, by Bedrock's table."""
        return bedrock_refusal(status, headers, body, self._head)

    def _common(self, request: EmbeddingRequest, report: Report) -> Json:
        """What stands in the body of every call."""
        params = request.params
        body: Json = dict(self._family.defaults)
        if params.dimensions is not None:
            self._size(params.dimensions, body, report)
        if params.encoding_format is not None:
            report.note("mapped", "encoding_format")
        for name in ("user", "instruction"):
            if getattr(params, name) is not None:
                report.note("dropped", name, "these models have nothing like it")
        for name, value in request.fields.items():
            if name in EmbeddingParams.__struct_fields__ or bytes(value).strip() == b"null":
                continue
            if not self._family.extra or name in _NUMBERS_ONLY:
                report.note("dropped", name, "this model does not take it, or would not answer with numbers")
            else:
                body[name] = value
                report.note("passed", name)
        return body

    def _size(self, wanted: int, body: Json, report: Report) -> None:
        path = self._family.dimensions
        if not path:
            report.note("dropped", "dimensions", "the length of this model's vectors is fixed")
            return
        *outer, name = path
        place = body
        for each in outer:
            place = place.setdefault(each, {})
        place[name] = wanted
        report.note("passed" if path == ("dimensions",) else "mapped", "dimensions")
