"""Embeddings as clients send and receive them.

Vectors go out as the client asked for them, lists of numbers or base64 of little-endian 32-bit floats, whichever the
provider gave.  This module must not know who answers.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any

import msgspec

from cloche.domain.embedding import EmbeddingParams, EmbeddingRequest, Embeddings
from cloche.domain.errors import ProviderBroken
from cloche.wire.completions import read_fields

_decode_params = msgspec.json.Decoder(EmbeddingParams).decode
_encode = msgspec.json.Encoder().encode

_OF_STREAMS = ("stream", "stream_options")


def read_embeddings(body: bytes) -> EmbeddingRequest:
    """A checked request.  BadRequest names the field that is wrong."""
    params, fields = read_fields(body, _decode_params, 'an embeddings endpoint takes "input": "…"')
    # Embeddings do not come as a stream, whatever a client's own defaults ask for.
    return EmbeddingRequest(params, {name: value for name, value in fields.items() if name not in _OF_STREAMS})


def write_embeddings(found: Embeddings, model: str, encoding: str | None) -> bytes:
    """The body of an answer.  `encoding`: as the request has it."""
    form = _as_base64 if encoding == "base64" else _as_floats
    answer: dict[str, Any] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": form(vector)}
            for index, vector in enumerate(found.vectors)
        ],
        "model": model,
    }
    if found.usage is not None:
        answer["usage"] = {"prompt_tokens": found.usage.prompt_tokens, "total_tokens": found.usage.total_tokens}
    return _encode(answer)


def _as_floats(vector: list[float] | str) -> list[float]:
    if not isinstance(vector, str):
        return vector
    try:
        data = base64.b64decode(vector, validate=True)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    except (binascii.Error, ValueError, struct.error):
        raise ProviderBroken("the provider's answer has a vector that is neither numbers nor base64") from None


def _as_base64(vector: list[float] | str) -> str:
    if isinstance(vector, str):
        return vector
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    except (OverflowError, struct.error):
        raise ProviderBroken("the provider's answer has a vector with a number that is no 32-bit float") from None
