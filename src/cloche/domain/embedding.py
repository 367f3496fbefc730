"""Embeddings in canonical form: texts in, vectors out.

As with chat, the request is decoded straight from JSON, and `EmbeddingRequest.fields` keeps every top-level field in
the client's own bytes.  Must not know providers, HTTP or JSON text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from cloche.domain.chat import NonEmpty, PositiveInt, Usage
from cloche.domain.errors import BadRequest

_Tokens = Annotated[list[int], Meta(min_length=1)]


class EmbeddingParams(Struct):
    """The fields of an embeddings request that cloche understands; null means not given.

    `input`: a text, texts, a text's tokens, or several such.  `instruction`: put before each text by some models.
    """

    input: NonEmpty | Annotated[list[NonEmpty | _Tokens | int], Meta(min_length=1, max_length=2048)]
    model: str | None = None
    dimensions: PositiveInt | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None
    instruction: str | None = None
    client_request_id: str | None = None
    usage_context: dict[str, str] | None = None
    extra_params: dict[str, Raw] | None = None


class EmbeddingRequest:
    """An embeddings request: `params`, checked and typed, and `fields`, all top-level fields in the client's bytes."""

    __slots__ = ("fields", "params")

    def __init__(self, params: EmbeddingParams, fields: Mapping[str, Raw]) -> None:
        self.params = params
        self.fields = fields

    @property
    def count(self) -> int:
        """How many vectors are asked for."""
        given = self.params.input
        return 1 if isinstance(given, str) or isinstance(given[0], int) else len(given)

    def texts(self) -> list[str]:
        """The texts.  BadRequest for tokens, which mean nothing to another provider's models."""
        given = self.params.input
        texts = [given] if isinstance(given, str) else given
        for index, text in enumerate(texts):
            if not isinstance(text, str):
                raise BadRequest(f"input[{index}]: this provider takes texts, not tokens")
        return [text for text in texts if isinstance(text, str)]


class Embeddings(Struct):
    """Vectors in the order of the texts, each a list of numbers or, where the provider gave it so, base64 of
    little-endian 32-bit floats.  `usage`: None where the provider gave none; its completion tokens are 0."""

    vectors: list[list[float] | str]
    usage: Usage | None
