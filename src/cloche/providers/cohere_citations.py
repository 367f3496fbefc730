"""What Cohere's answers rest on: its citations, of both versions of the chat API, as canonical ones.

Cohere names several sources for one stretch of text; each becomes a citation of its own, because a citation of OpenAI's
has one address.  Must not know how answers are framed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from cloche.codec import tolerant
from cloche.domain.chat import Citation

Json = Mapping[str, Any]


class _Stretch(Struct):
    """What version 2 says of a cited stretch; `document_ids` are version 1's."""

    start: int | None = None
    end: int | None = None
    type: str | None = None
    content_index: int | None = None
    sources: list[dict[str, Any]] | None = None
    document_ids: list[str] | None = None


class Blocks:
    """Where each block of content begins in all of an answer's text: version 2 counts characters block by block."""

    __slots__ = ("_begins", "_length")

    def __init__(self) -> None:
        self._begins: dict[int, int] = {}
        self._length = 0

    def add(self, index: int, text: str) -> None:
        """More text of a block."""
        self._begins.setdefault(index, self._length)
        self._length += len(text)

    def cite(self, cited: Json) -> tuple[Citation, ...]:
        """The citations of one stretch.  One of a plan or of thinking has no place in the text: what Cohere says of
        its place is in the details."""
        stretch = _stretch(cited)
        first = self._begins.get(stretch.content_index or 0, 0)
        details = {name: value for name, value in cited.items() if name not in ("sources", "start", "end")}
        places = (_after(first, stretch.start), _after(first, stretch.end))
        if stretch.type not in (None, "TEXT_CONTENT"):
            details |= {"start": stretch.start, "end": stretch.end}
            places = (None, None)
        return tuple(_citation(places, source, {**details, "source": source}) for source in stretch.sources or ({},))


def cite_documents(citations: Iterable[Json], documents: Iterable[Json]) -> Iterator[Citation]:
    """The citations of version 1, which name documents that stand apart."""
    known = {each["id"]: each for each in documents if isinstance(each.get("id"), str)}
    for cited in citations:
        stretch = _stretch(cited)
        details = {name: value for name, value in cited.items() if name not in ("document_ids", "start", "end")}
        for name in stretch.document_ids or (None,):
            source = known.get(name, {"id": name} if name is not None else {})
            yield _citation((stretch.start, stretch.end), {"document": source}, {**details, "source": source})


def _stretch(cited: Json) -> _Stretch:
    """What can be told of a citation; of one that cannot be read, nothing: the answer stands without it."""
    try:
        return tolerant.read(msgspec.json.encode(cited), _Stretch)
    except tolerant.UNREADABLE:
        return _Stretch()


def _after(first: int, place: int | None) -> int | None:
    return None if place is None else first + place


def _citation(places: tuple[int | None, int | None], source: Json, details: Json) -> Citation:
    """`source`: with what it is under `document` or `tool_output`."""
    found = source.get("document") or source.get("tool_output")
    told = found if isinstance(found, dict) else {}
    url, title = told.get("url"), told.get("title")
    start, end = places
    return Citation(
        start, end, url if isinstance(url, str) else None, title if isinstance(title, str) else None, details
    )
