"""Strict JSON on the way in: valid UTF-8, no duplicate keys, faults reported with the path of the field.

msgspec rejects NaN, trailing text, wrong types and nesting beyond the interpreter's recursion limit.  What it lets pass
and a gateway must not: duplicate keys (two readers of one body may pick different ones) and bad UTF-8 in values that
are kept raw.  This module must not know what the fields mean.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec

from cloche.domain.errors import BadRequest


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

    def note(pairs: list[tuple[str, Any]]) -> Any:
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


def _may_repeat(body: bytes, plain_keys: int) -> bool:
    """Whether a key may have been lost in decoding.

    A colon behind a key follows a quote, or white space.  If no colon at all follows white space, every key is among
    the colons that follow a quote; if those are as many as the decoded keys, none was lost.
    """
    keys = 0
    colon = body.find(b":")
    while colon > 0:
        before = body[colon - 1]
        if before == _QUOTE:
            keys += 1
        elif before in _BLANK:
            return True
        colon = body.find(b":", colon + 1)
    return keys != plain_keys


class _Duplicate:
    """Stands in the tree where an object had `key` twice."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key


def _path_to_duplicate(tree: Any) -> str | None:
    stack: list[tuple[str, Any]] = [("", tree)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, _Duplicate):
            return f"{path}.{node.key}".lstrip(".")
        if isinstance(node, dict):
            stack.extend((f"{path}.{key}", value) for key, value in node.items())
        elif isinstance(node, list):
            stack.extend((f"{path}[{index}]", value) for index, value in enumerate(node))
    return None


_AT_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<field>[^`]*)`$")


def raise_bad_request(error: Exception, *, within: str = "") -> NoReturn:
    """Turn what msgspec or the interpreter raised while decoding a body into a BadRequest with a field path."""
    if isinstance(error, UnicodeDecodeError):
        raise BadRequest("the body is not valid UTF-8") from None
    if isinstance(error, RecursionError):
        raise BadRequest("the body is nested too deeply") from None
    if not isinstance(error, msgspec.ValidationError):
        reason = str(error).removeprefix("JSON is malformed: ")
        raise BadRequest(f"the body is not valid JSON: {reason}") from None
    match = _AT_PATH.match(str(error))
    assert match is not None
    what, path = match["what"], (match["path"] or "$").removeprefix("$").lstrip(".")
    path = ".".join(part for part in (within, path) if part)
    missing = _MISSING.match(what)
    if missing:
        path, what = ".".join(part for part in (path, missing["field"]) if part), "this field is required"
    else:
        what = what[:1].lower() + what[1:].replace("`", "")
    raise BadRequest(f"{path}: {what}" if path else f"the body: {what}") from None
