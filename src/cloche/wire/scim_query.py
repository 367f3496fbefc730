"""What a SCIM client may ask of a collection: filter, order, page and attributes (RFC 7644 §3.4.2).

Works on documents.  The filter has `eq ne co sw`, `and`, `or` and parentheses over the attributes listed here, with
values in double or single quotes; whatever else the standard has is refused in words, never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from cloche.domain.errors import InvalidParameter
from cloche.wire.scim import Document

Filter = Callable[[Document], bool]

QUERY = (
    ("filter", 'Which ones, as in `userName eq "ada"`.'),
    ("startIndex", "The first one to tell, from 1."),
    ("count", "How many to tell at most."),
    ("attributes", "Names of attributes to tell, separated by commas."),
    ("excludedAttributes", "Names of attributes to leave out."),
    ("sortBy", "The attribute to sort by."),
    ("sortOrder", "ascending or descending."),
)
"""The parameters of a list."""

ATTRIBUTES = frozenset(("userName", "displayName", "applicationId", "id", "externalId", "active", "emails.value"))
_OF_VALUES = frozenset(("value", "display", "type"))
_EXACT = frozenset(("id", "externalId", "value"))
_WORD = re.compile(r"""\s*(\(|\)|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s()"']+)""")
_MAX_FILTER = 4096
_MAX_DEPTH = 16
_DEFAULT_COUNT = 100
_MAX_COUNT = 10_000
_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


def answer(documents: Iterable[Document], query: Mapping[str, str]) -> Document:
    """The page of a collection that a query asks for.  InvalidParameter."""
    chosen = list(documents)
    if query.get("filter"):
        chosen = list(filter(read_filter(query["filter"]), chosen))
    chosen = _sorted(chosen, query)
    start = max(_whole(query, "startIndex", 1), 1)
    count = min(max(_whole(query, "count", _DEFAULT_COUNT), 0), _MAX_COUNT)
    page = [selected(each, query) for each in chosen[start - 1 : start - 1 + count]]
    return {
        "schemas": [_LIST],
        "totalResults": len(chosen),
        "startIndex": start,
        "itemsPerPage": len(page),
        "Resources": page,
    }


def selected(document: Document, query: Mapping[str, str]) -> Document:
    """The attributes that a query wants; the id always."""
    wanted, left_out = _names(query.get("attributes")), _names(query.get("excludedAttributes"))
    always = {"id", "schemas"}
    return {
        name: value
        for name, value in document.items()
        if name in always or ((not wanted or name.lower() in wanted) and name.lower() not in left_out)
    }


def read_filter(text: str) -> Filter:
    """Whether a document fits.  InvalidParameter where the text is no filter that is understood here."""
    if len(text) > _MAX_FILTER:
        raise InvalidParameter(f"filter: has more than {_MAX_FILTER} characters")
    return _Reader(text).whole()


def _names(text: str | None) -> frozenset[str]:
    # `emails.value` means `emails` here: parts of attributes are not left out one by one.
    return frozenset(name.strip().partition(".")[0].lower() for name in (text or "").split(",") if name.strip())


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if not text:
        return default
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise InvalidParameter(f"{name}: must be a whole number, not {text[:40]!r}")
    return int(text)


def _sorted(documents: list[Document], query: Mapping[str, str]) -> list[Document]:
    by, order = query.get("sortBy"), query.get("sortOrder") or "ascending"
    if order not in ("ascending", "descending"):
        raise InvalidParameter("sortOrder: must be ascending or descending")
    if not by:
        return documents
    if by not in ATTRIBUTES:
        raise InvalidParameter(f"sortBy: must be one of {', '.join(sorted(ATTRIBUTES))}")
    return sorted(
        documents, key=lambda each: [str(one).casefold() for one in _values(each, by)], reverse=order[0] == "d"
    )


def _values(document: Document, name: str) -> list[Any]:
    """The values of an attribute; of `emails.value` each address."""
    first, _, rest = name.partition(".")
    value = document.get(first)
    if rest:
        return [each.get(rest) for each in value or ()]
    return [] if value is None else [value]


class _Comparison(msgspec.Struct, frozen=True):
    """ATTRIBUTE OPERATOR VALUE."""

    name: str
    operator: str
    value: Any

    def __call__(self, document: Document) -> bool:
        found = [_comparable(self.name, each) for each in _values(document, self.name)]
        wanted = _comparable(self.name, self.value)
        if self.operator == "eq":
            return wanted in found
        if self.operator == "ne":
            return wanted not in found
        texts = [each for each in found if isinstance(each, str)]
        if self.operator == "co":
            return any(wanted in text for text in texts)
        return any(text.startswith(wanted) for text in texts)


def _comparable(name: str, value: Any) -> Any:
    return value.casefold() if isinstance(value, str) and name not in _EXACT else value


class _Reader:
    """Reads a filter from left to right; `and` binds more tightly than `or`."""

    def __init__(self, text: str) -> None:
        self._words: list[str] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            found = _WORD.match(text, at)
            if found is None:
                raise InvalidParameter(f"filter: cannot be read from character {at + 1} on: a quote is not closed")
            self._words.append(found[1])
            at = found.end()
        self._depth = 0

    def whole(self) -> Filter:
        """The whole text."""
        found = self._any()
        if self._words:
            raise InvalidParameter(f"filter: {self._words[0][:40]!r} was not expected; there are only 'and' and 'or'")
        return found

    def _any(self) -> Filter:
        parts = [self._all()]
        while self._words and self._words[0].lower() == "or":
            del self._words[0]
            parts.append(self._all())
        return lambda document: any(part(document) for part in parts)

    def _all(self) -> Filter:
        parts = [self._one()]
        while self._words and self._words[0].lower() == "and":
            del self._words[0]
            parts.append(self._one())
        return lambda document: all(part(document) for part in parts)

    def _one(self) -> Filter:
        name = self._next("an attribute")
        if name != "(":
            return self._comparison(name)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise InvalidParameter("filter: is nested too deeply")
        inside = self._any()
        if self._next("')'") != ")":
            raise InvalidParameter("filter: a parenthesis is not closed")
        self._depth -= 1
        return inside

    def _comparison(self, name: str) -> Filter:
        if name not in ATTRIBUTES | _OF_VALUES:
            raise InvalidParameter(
                f"filter: {name[:40]!r} cannot be asked for; there are {', '.join(sorted(ATTRIBUTES))}"
            )
        operator = self._next("an operator").lower()
        if operator not in ("eq", "ne", "co", "sw"):
            raise InvalidParameter(f"filter: the operator {operator[:40]!r} is not supported: use eq, ne, co or sw")
        value = _literal(self._next("a value"))
        if isinstance(value, bool) and (name != "active" or operator in ("co", "sw")):
            raise InvalidParameter(f"filter: {name} {operator} must be followed by a text in quotes")
        return _Comparison(name, operator, value)

    def _next(self, what: str) -> str:
        if not self._words:
            raise InvalidParameter(f"filter: ends where {what} was expected")
        return self._words.pop(0)


def _literal(word: str) -> str | bool:
    if word[0] in "\"'" and len(word) > 1:
        return re.sub(r"\\(.)", r"\1", word[1:-1]) if word[0] == '"' else word[1:-1]
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    raise InvalidParameter(f"filter: the value {word[:40]!r} must be in quotes, or be true or false")
