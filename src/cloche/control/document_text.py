"""A text of JSON as plain values, with the line of each of its parts, so that a fault can be pointed at.

JSON is not read as YAML, which takes `1e3` for text and no tabs; yaml_text.py reads that.  Must not know files, nor
what the values mean.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, NoReturn

Steps = tuple[str | int, ...]
"""The way to a part: keys and indices from the top."""


class Fault(NamedTuple):
    """What is wrong with a part, and its line, counted from 1."""

    line: int
    steps: Steps
    what: str


class Malformed(Exception):
    """The text cannot be taken, for all these reasons."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


class Document(NamedTuple):
    """One document: its value, and the line of each part."""

    value: Any
    lines: dict[Steps, int]


def read_json(text: str) -> Document:
    """The one document of a JSON text.  Malformed if it is no strict JSON."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise Malformed([Fault(error.lineno, (), f"is no JSON: {error.msg}")]) from None
    except ValueError as error:
        raise Malformed([Fault(1, (), f"is no JSON: {error}")]) from None
    except RecursionError:
        raise Malformed([Fault(1, (), "is nested too deeply")]) from None
    lines, faults = _json_lines(text)
    if faults:
        raise Malformed(faults)
    return Document(value, lines)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number that JSON knows")


_TOKEN = re.compile(r'([{}\[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+)')


def _json_lines(text: str) -> tuple[dict[Steps, int], list[Fault]]:
    """The line of each part of a text that is known to be JSON, and the keys that are given twice."""
    lines: dict[Steps, int] = {}
    faults: list[Fault] = []
    line, seen = 1, 0
    path: list[Any] = []  # for each open container the index or key that is read; None where a key comes next
    for token in _TOKEN.finditer(text):
        line += text.count("\n", seen, token.start())
        seen = token.start()
        sign = token[0]
        if sign in ("}", "]"):
            path.pop()
        elif sign == ",":
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else None
        elif path and path[-1] is None:
            path[-1] = json.loads(sign)
            if tuple(path) in lines:
                faults.append(Fault(line, tuple(path), "is given twice"))
            lines[tuple(path)] = line
        elif sign != ":":
            lines.setdefault(tuple(path), line)
            if sign in ("{", "["):
                path.append(None if sign == "{" else 0)
    return lines, faults
