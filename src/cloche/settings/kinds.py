"""The kinds of value a setting may have: how text becomes one and what is allowed, in words for people.

Must not know any setting.  A kind says what it wants once, and both the error message and the reference quote it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec

from cloche.settings.proxy_url import WANTED, read_proxy_url


class Kind(msgspec.Struct, frozen=True):
    """What a setting takes: `wants` in words; `parse` reads text; `check` returns the value or raises ValueError."""

    wants: str
    parse: Callable[[str], object]
    check: Callable[[object], object]


def whole(low: int, high: int) -> Kind:
    def check(value: object) -> object:
        if type(value) is not int or not low <= value <= high:
            raise ValueError
        return value

    return Kind(f"a whole number from {low} to {high}", int, check)


def number(low: float, high: float) -> Kind:
    def check(value: object) -> object:
        if type(value) not in (int, float) or not low <= cast(float, value) <= high:
            raise ValueError
        return float(cast(float, value))

    return Kind(f"a number from {low:g} to {high:g}", float, check)


def text(wants: str, pattern: str) -> Kind:
    def check(value: object) -> object:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return Kind(wants, str, check)


def proxy() -> Kind:
    def check(value: object) -> object:
        if not isinstance(value, str):
            raise ValueError
        read_proxy_url(value)
        return value

    return Kind(WANTED, str, check)


def list_of(one: Kind, wants: str) -> Kind:
    def check(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise ValueError
        return tuple(one.check(item) for item in value)

    return Kind(wants, lambda text: [part.strip() for part in text.split(",") if part.strip()], check)


def switch() -> Kind:
    words = {
        "on": True,
        "true": True,
        "yes": True,
        "1": True,
        "off": False,
        "false": False,
        "no": False,
        "0": False,
    }

    def parse(text: str) -> object:
        return words.get(text.lower())

    def check(value: object) -> object:
        if type(value) is not bool:
            raise ValueError
        return value

    return Kind("on or off", parse, check)


def path(wants: str, acceptable: Callable[[Path], bool]) -> Kind:
    def check(value: object) -> object:
        if not isinstance(value, str) or not value:
            raise ValueError
        path = Path(value).expanduser().absolute()
        if not acceptable(path):
            raise ValueError
        return path

    return Kind(wants, str, check)
