"""Strict JSON on the way in: valid UTF-8, no duplicate keys, faults reported with the path of the field.

msgspec rejects NaN, trailing text, wrong types and nesting beyond the interpreter's recursion limit.  What it lets pass
and a gateway must not: duplicate keys (two readers of one body may pick different ones) and bad UTF-8 in values that
are kept raw.  This module must not know what the fields mean.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, TypeVar

import msgspec

from cloche.domain.errors import BadRequest

Shape = TypeVar("Shape")


def check_utf8(body: bytes) -> None:
    """BadRequest naming the first bad byte, unless all of `body` is valid UTF-8."""
    if body.isascii():
        return
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not valid UTF-8: bad byte at position {error.start}") from None


def check_duplicate_keys(body: bytes, plain_keys: int) -> None:
    """BadRequest naming the field if any object in `body`, which is valid JSON, has a key twice.

    `plain_keys`: how many keys the decoded body is known to have, or any number if that is not known.  A look at
    the colons (about 1 µs a kilobyte of chat) mostly saves a second parse (about 5 µs): see `_may_repeat`.
    """
    if not _may_repeat(body, plain_keys):
        return
    duplicates: list[str] = []
    objects = 0

    def note(pairs: list[tuple[str, Any]]) -> Any:
        nonlocal objects
        objects += 1
        if objects > _MAX_OBJECTS:
            raise BadRequest(f"the body has more than {_MAX_OBJECTS} objects")
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        seen: set[str] = set()
        key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        duplicates.append(key)
        return _Duplicate(key)

    try:
        tree = json.loads(body, object_pairs_hook=note)
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None
    if duplicates:
        raise BadRequest(f"{_path_to_duplicate(tree) or duplicates[0]}: the field is given twice")


_QUOTE = ord('"')
_BLANK = frozenset(b" \t\r\n")
_MAX_COLONS = 4096
_MAX_OBJECTS = 50_000
_MAX_PATH = 200


def _may_repeat(body: bytes, plain_keys: int) -> bool:
    """Whether a key may have been lost in decoding.

    A colon behind a key follows a quote, or white space.  If no colon at all follows white space, every key is among
    the colons that follow a quote; if those are as many as the decoded keys, none was lost.
    """
    keys = 0
    colon = body.find(b":")
    for _ in range(_MAX_COLONS):  # beyond that the second parse is the cheaper way
        if colon < 0:
            return keys != plain_keys
        before = body[colon - 1]
        if before == _QUOTE:
            keys += 1
        elif before in _BLANK:
            return True
        colon = body.find(b":", colon + 1)
    return True


class _Duplicate:
    """Stands in the tree where an object had `key` twice."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key


def _path_to_duplicate(tree: Any) -> str | None:
    """Where the duplicate stands.  Steps are linked, not joined, on the way: keys may be long, and there may be
    many."""
    stack: list[tuple[Any, _Step | None]] = [(tree, None)]
    while stack:
        node, step = stack.pop()
        if isinstance(node, _Duplicate):
            return render_path((step, node.key))
        if isinstance(node, dict):
            stack.extend((value, (step, key)) for key, value in node.items())
        elif isinstance(node, list):
            stack.extend((value, (step, index)) for index, value in enumerate(node))
    return None


_Step = tuple[Any, str | int]
"""The step before, or None, and the key or index of this one."""


def render_path(step: _Step | None) -> str:
    """`messages[2].role`, cut to what a message can show."""
    parts: list[str] = []
    while step is not None:
        step, key = step
        parts.append(f"[{key}]" if isinstance(key, int) else f".{key[:_MAX_PATH]}")
    path = "".join(reversed(parts)).lstrip(".")
    return path if len(path) <= _MAX_PATH else path[:_MAX_PATH] + "…"


_AT_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_OF_A_FIELD = (
    (re.compile(r"^Object missing required field `(?P<field>[^`]*)`$"), "this field is required"),
    (re.compile(r"^Object contains unknown field `(?P<field>[^`]*)`$"), "there is no such field"),
)


def explain(error: msgspec.ValidationError) -> tuple[str, str]:
    """(field path, what is wrong) of what msgspec says; the path is empty where the whole is meant."""
    match = _AT_PATH.match(str(error))
    assert match is not None
    what, path = match["what"], (match["path"] or "$").removeprefix("$").lstrip(".")
    for pattern, said in _OF_A_FIELD:
        if found := pattern.match(what):
            return ".".join(part for part in (path, found["field"]) if part), said
    return path, what[:1].lower() + what[1:].replace("`", "")


def decoded(body: bytes, shape: type[Shape]) -> Shape:
    """A JSON body of a shape.  BadRequest names the field that is wrong."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise_bad_request(error)


def raise_bad_request(error: Exception) -> NoReturn:
    """Turn what msgspec or the interpreter raised while decoding a body into a BadRequest with a field path."""
    if isinstance(error, UnicodeDecodeError):
        raise BadRequest("the body is not valid UTF-8") from None
    if isinstance(error, RecursionError):
        raise BadRequest("the body is nested too deeply") from None
    if not isinstance(error, msgspec.ValidationError):
        reason = str(error).removeprefix("JSON is malformed: ")
        raise BadRequest(f"the body is not valid JSON: {reason}") from None
    path, what = explain(error)
    raise BadRequest(f"{path or 'the body'}: {what}") from None
