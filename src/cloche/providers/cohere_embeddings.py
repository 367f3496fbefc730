"""Cohere's embed API (v2): texts in, vectors out.

The API wants to know what the vectors are for, which the API of this server does not ask: `input_type` may be given as
a further field, and is that of documents to be searched where it is not.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cloche.domain.chat import Usage
from cloche.domain.embedding import EmbeddingRequest, Embeddings
from cloche.domain.errors import Problem, ProviderBroken
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers.site import Site

_encode = msgspec.json.Encoder().encode

DEFAULT_INPUT_TYPE = "search_document"
AT_ONCE = 96
"""Texts that one call takes."""

_OURS = frozenset(("model", "input", "encoding_format", "client_request_id", "usage_context"))
_PASSED = frozenset(("input_type", "truncate", "max_tokens", "priority"))


def fields(request: EmbeddingRequest, report: Report) -> dict[str, Any]:
    """What is asked beside the texts: the fields of Cohere's own body."""
    asked: dict[str, Any] = {"input_type": DEFAULT_INPUT_TYPE}
    report.note("mapped", "input")
    for name, value in request.fields.items():
        if name in _PASSED:
            asked[name] = value
            report.note("passed", name)
        elif name == "dimensions" and request.params.dimensions is not None:
            asked["output_dimension"] = request.params.dimensions
            report.note("mapped", name)
        elif name not in _OURS and bytes(value) != b"null":
            report.note("dropped", name, "Cohere has nothing like it")
    return asked


def batches(texts: list[str]) -> list[list[str]]:
    """The texts, as many at once as a call takes."""
    return [texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE)]


class _Vectors(msgspec.Struct):
    """By the kind of their numbers; `float` is a word of Python's."""

    floats: list[list[float]] | None = msgspec.field(name="float", default=None)


class _Billed(msgspec.Struct):
    input_tokens: float | None = None


class _Meta(msgspec.Struct):
    billed_units: _Billed | None = None


class _Answer(msgspec.Struct):
    embeddings: _Vectors | list[list[float]]
    meta: _Meta | None = None


_read = msgspec.json.Decoder(_Answer).decode


def decode(body: bytes) -> Embeddings:
    """An answer: the vectors by kind, or bare where no kind was asked for.  ProviderBroken for what is none."""
    try:
        answer = _read(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderBroken("the provider's answer holds no embeddings") from None
    found = answer.embeddings
    vectors = found.floats if isinstance(found, _Vectors) else found
    if not vectors:
        raise ProviderBroken("the provider's answer holds no vectors of floats")
    billed = None if answer.meta is None else answer.meta.billed_units
    tokens = None if billed is None else billed.input_tokens
    return Embeddings(list(vectors), None if tokens is None else Usage(round(tokens), 0))


class CohereEmbedder:
    """A served entity behind the embed API."""

    __slots__ = ("_site", "model")

    def __init__(self, model: str, site: Site) -> None:
        self.model = model
        self._site = site

    def encode(self, request: EmbeddingRequest, report: Report) -> list[HttpCall]:
        """The calls to make, each with as many texts as one takes."""
        asked = {"model": self.model, **fields(request, report), "embedding_types": ["float"]}
        return [self._site.call(_encode(asked | {"texts": texts})) for texts in batches(request.texts())]

    def decode(self, body: bytes) -> Embeddings:
        """One call's answer."""
        return decode(body)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """A refusal, by the table in base.py."""
        return self._site.refusal(status, headers, body)
