"""What queries of several routes are made of: numbers, bounds and times, read from their text.

A parameter that is empty is as one that is not given.  Must not know which route asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from cloche.domain.errors import InvalidParameter

_LARGEST = 2**63 - 1
_LONGEST_DAY = len("20260131")

TIME = "a day or time of ISO 8601, UTC where it names no zone, or Unix milliseconds"


def number(query: Mapping[str, str], name: str) -> int | None:
    """A whole number, none below zero.  InvalidParameter."""
    given = query.get(name)
    if not given:
        return None
    if not (given.isascii() and given.isdigit()) or len(given) > len(str(_LARGEST)) or int(given) > _LARGEST:
        raise InvalidParameter(f"{name}: must be a whole number, not {given!r}")
    return int(given)


def bounded(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A whole number from 1 to `most`.  InvalidParameter."""
    found = number(query, name)
    if found is not None and not 1 <= found <= most:
        raise InvalidParameter(f"{name}: must be from 1 to {most}, not {found}")
    return default if found is None else found


def moment(query: Mapping[str, str], name: str) -> int | None:
    """A time, as TIME says, in Unix milliseconds.  InvalidParameter."""
    given = query.get(name)
    if not given:
        return None
    if given.isascii() and given.isdigit() and len(given) > _LONGEST_DAY:
        return number(query, name)
    try:
        found = datetime.fromisoformat(given)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidParameter(
            f"{name}: must be a day or time like 2026-01-31 or 2026-01-31T12:00, not {given!r}"
        ) from None


def flag(query: Mapping[str, str], name: str) -> bool:
    """Whether a parameter is `true`; without it it is not.  InvalidParameter for anything but true and false."""
    given = query.get(name, "false")
    if given not in ("true", "false"):
        raise InvalidParameter(f"{name}: must be true or false")
    return given == "true"
