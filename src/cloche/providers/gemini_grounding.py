"""What an answer of generateContent rests on: its grounding and its citations, as canonical ones.

Google counts bytes of all the answer's text in UTF-8; the canonical form counts characters.  Must not know how answers
are framed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from cloche.codec import tolerant
from cloche.domain.chat import Citation

Json = dict[str, Any]
Shape = TypeVar("Shape")

_TOLD = frozenset(("startIndex", "endIndex", "uri", "title"))
"""What of a citation is told in the words of the canonical form."""


class _Segment(Struct, rename="camel"):
    """What is 0 or empty is left out by the provider."""

    start_index: int | None = None
    end_index: int | None = None
    text: str | None = None


class _Support(Struct, rename="camel"):
    segment: _Segment = msgspec.field(default_factory=_Segment)
    grounding_chunk_indices: list[int] = []
    confidence_scores: list[float] = []


class _Grounding(Struct, rename="camel"):
    grounding_chunks: list[dict[str, Any]] = []
    grounding_supports: list[_Support] = []


class _Source(Struct):
    uri: str | None = None
    title: str | None = None


class _Chunk(Struct, rename="camel"):
    """A source, by its kind."""

    web: _Source | None = None
    retrieved_context: _Source | None = None
    maps: _Source | None = None


class _Cited(_Segment, rename="camel"):
    uri: str | None = None
    title: str | None = None


class _Citations(Struct, rename="camel"):
    """The Gemini API has the one name, Vertex AI the other."""

    citation_sources: list[dict[str, Any]] = []
    citations: list[dict[str, Any]] = []


def citations(text: str, grounding: Json, cited: Json) -> list[Citation]:
    """A citation for each source of each stretch of `text`.  `grounding`: groundingMetadata; `cited`: citationMetadata.

    What cannot be read gives none: the answer stands without it, and both are told as they came, too.
    """
    try:
        return [*_grounded(text.encode(), grounding), *_cited(text.encode(), cited)]
    except tolerant.UNREADABLE:
        return []


def _read(given: Json, shape: type[Shape]) -> Shape:
    return tolerant.read(msgspec.json.encode(given), shape)


def _grounded(raw: bytes, grounding: Json) -> Iterator[Citation]:
    told = _read(grounding, _Grounding)
    chunks = told.grounding_chunks
    for support in told.grounding_supports:
        start, end = _place(raw, support.segment)
        for at, index in enumerate(support.grounding_chunk_indices):
            chunk = chunks[index] if 0 <= index < len(chunks) else {}
            kinds = _read(chunk, _Chunk)
            source = kinds.web or kinds.retrieved_context or kinds.maps or _Source()
            scores = support.confidence_scores[at : at + 1]
            details = {"source": chunk} | ({"confidence": scores[0]} if scores else {})
            yield Citation(start, end, source.uri or None, source.title, details)


def _cited(raw: bytes, cited: Json) -> Iterator[Citation]:
    told = _read(cited, _Citations)
    for each in told.citation_sources or told.citations:
        source = _read(each, _Cited)
        details = {name: value for name, value in each.items() if name not in _TOLD}
        yield Citation(*_place(raw, source), source.uri or None, source.title, details)


def _place(raw: bytes, segment: _Segment) -> tuple[int | None, int | None]:
    """Where a segment begins and ends, in characters.  Where its own text stands elsewhere than its indices say, as in
    an answer of several parts, its text is believed; None where it is nowhere."""
    start, end = segment.start_index or 0, segment.end_index or 0
    said = (segment.text or "").encode()
    if said and raw[start:end] != said:
        start = raw.find(said)
        end = start + len(said)
    if not 0 <= start < end <= len(raw):
        return None, None
    return len(raw[:start].decode(errors="ignore")), len(raw[:end].decode(errors="ignore"))
