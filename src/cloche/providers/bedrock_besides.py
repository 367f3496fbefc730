"""What an answer of Converse has besides text, calls and reasoning: what it rests on, and pieces of Bedrock's own.

Of the latter are the tools that it ran itself, their results, and images: told in its own words, as extras of the
canonical form.  A stream brings them in parts, which are put together here to what a whole answer has.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from cloche.codec import tolerant
from cloche.domain.chat import Citation
from cloche.domain.errors import ProviderBroken

Json = dict[str, Any]


def cited(given: Json, start: int, end: int) -> Citation:
    """A citation of the text from `start` to `end`.  Only a source on the web has an address."""
    location = given.get("location")
    web = location.get("web") if isinstance(location, dict) else None
    url = web.get("url") if isinstance(web, dict) else None
    title = given.get("title")
    details = {name: value for name, value in given.items() if name != "title"}
    return Citation(start, end, _text_or_none(url), _text_or_none(title), details)


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


class Own:
    """A block of Bedrock's own that has not stopped: its name, and what its start says of it."""

    __slots__ = ("_name", "_pieces", "_said")

    def __init__(self, name: str, said: Any) -> None:
        self._name = name
        self._said: Json = said if isinstance(said, dict) else {}
        self._pieces: list[Any] = []

    def add(self, piece: Any) -> None:
        """More of it: of a call a piece of its arguments' text, of a result its contents, else some of its fields."""
        self._pieces.append(piece)

    def extra(self) -> Json:
        """The block as a whole answer has it.  ProviderBroken if its parts make no whole."""
        if self._name == "toolUse":
            return {self._name: {**self._said, "input": _arguments("".join(self._pieces))}}
        if self._name == "toolResult":
            contents = [each for piece in self._pieces if isinstance(piece, list) for each in piece]
            return {self._name: {**self._said, "content": contents}}
        fields = [piece for piece in self._pieces if isinstance(piece, dict)]
        merged = {name: value for piece in fields for name, value in piece.items()}
        sources = [piece["source"]["bytes"] for piece in fields if _has_bytes(piece)]
        source = {"source": {"bytes": joined(sources)}} if sources else {}
        return {self._name: {**self._said, **merged, **source}}


def _has_bytes(piece: Json) -> bool:
    source = piece.get("source")
    return isinstance(source, dict) and isinstance(source.get("bytes"), str)


def _arguments(text: str) -> Any:
    """As text where they are not whole: an answer that ended for its length may have ended there."""
    try:
        return msgspec.json.decode(text or "{}")
    except tolerant.UNREADABLE:
        return text


def joined(pieces: list[str]) -> str:
    """One text in base64 of several."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece) for piece in pieces)).decode()
    except binascii.Error:
        raise ProviderBroken("bedrock sent bytes that are no base64") from None
