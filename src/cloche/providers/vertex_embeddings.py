"""Text embeddings on Vertex AI, by `predict`.

The texts of a call are bounded, so many are asked for by several calls, one after another.  `task_type`, `title` and
`autoTruncate`, which are Google's own, may be given under these names.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import msgspec

from cloche.domain.chat import Usage
from cloche.domain.embedding import EmbeddingParams, EmbeddingRequest, Embeddings
from cloche.domain.errors import Problem, ProviderBroken
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers.vertex_project import Project

_MOST_TEXTS = 250
_MOST_BYTES = 20_000
"""All texts of a call may have as many tokens, and none has fewer bytes than tokens."""

_ONE_BY_ONE = ("gemini-embedding-",)
"""Models that take a single text in a call, by the beginnings of their names."""

_OF_THE_TEXT = frozenset(("task_type", "title"))
"""Fields that stand beside each text."""

_MAPPED = frozenset(("input", "dimensions", "encoding_format"))
_DROPPED = MappingProxyType(
    {"user": "it has nothing like it", "instruction": "task_type says what the vectors are for"}
)


class _Statistics(msgspec.Struct):
    token_count: float | None = None


class _Vector(msgspec.Struct):
    values: list[float]
    statistics: _Statistics = msgspec.field(default_factory=_Statistics)


class _Prediction(msgspec.Struct):
    embeddings: _Vector


class _Answer(msgspec.Struct):
    predictions: list[_Prediction]


_encode = msgspec.json.Encoder().encode
_read_answer = msgspec.json.Decoder(_Answer).decode


class VertexEmbedder:
    """An embeddings model; one of a partner's is named with its publisher, `PUBLISHER/MODEL`."""

    __slots__ = ("_most_texts", "_parameters", "_project", "_site", "model")

    def __init__(self, model: str, project: Project) -> None:
        self.model = model
        self._project = project
        publisher, _, name = model.rpartition("/")
        self._site = project.site(f"publishers/{publisher or 'google'}/models/{name}:predict")
        self._most_texts = 1 if name.startswith(_ONE_BY_ONE) else _MOST_TEXTS
        # Unasked, Google's own models leave out what is too long of a text, and do not say so.
        self._parameters = {} if publisher else {"autoTruncate": False}

    def encode(self, request: EmbeddingRequest, report: Report) -> list[HttpCall]:
        """The calls to make, each with a few texts.  BadRequest for tokens."""
        beside, parameters = _fields(request, report)
        body = {"parameters": {**self._parameters, **parameters}}
        return [
            self._site.call(_encode({"instances": [{"content": text, **beside} for text in texts], **body}))
            for texts in _calls(request.texts(), self._most_texts)
        ]

    def decode(self, body: bytes) -> Embeddings:
        """One call's answer.  ProviderBroken for what is none."""
        try:
            found = [each.embeddings for each in _read_answer(body).predictions]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProviderBroken("the provider's answer holds no embeddings") from None
        return Embeddings([each.values for each in found], _usage(found))

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """What an answer other than 200 means."""
        return self._project.error(status, headers, body)


def _calls(texts: list[str], most: int) -> list[list[str]]:
    """The texts, in their order, as many in each call as it takes; one that is too long alone is judged by Google."""
    calls: list[list[str]] = []
    room = 0
    for text in texts:
        size = len(text.encode("utf-8", "surrogatepass"))
        if not calls or len(calls[-1]) == most or size > room:
            calls.append([])
            room = _MOST_BYTES
        calls[-1].append(text)
        room -= size
    return calls


def _fields(request: EmbeddingRequest, report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands beside each text, and what is said once for all of them."""
    beside: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    if request.params.dimensions is not None:
        parameters["outputDimensionality"] = request.params.dimensions
    for name, value in request.fields.items():
        if bytes(value) == b"null":
            continue
        if name in _DROPPED:
            report.note("dropped", name, _DROPPED[name])
        elif name in _MAPPED:
            report.note("mapped", name)
        elif name not in EmbeddingParams.__struct_fields__:
            (beside if name in _OF_THE_TEXT else parameters)[name] = value
            report.note("passed", name)
    return beside, parameters


def _usage(vectors: list[_Vector]) -> Usage | None:
    """The tokens of all texts, if all were counted."""
    counts = [each.statistics.token_count for each in vectors]
    if not counts or None in counts:
        return None
    return Usage(prompt_tokens=int(sum(count for count in counts if count is not None)), completion_tokens=0)
