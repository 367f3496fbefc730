"""Who was asked for a call, where there was more than one attempt: what came of each, and when.

Must not know why another attempt is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Tried(NamedTuple):
    """One attempt.  `code`: of its failure; empty: it was heard, or is under way.  Times are of `perf_counter`, waiting
    for a place at the entity included; `ended` None: it lasts as long as the call."""

    entity: str
    code: str
    began: float
    ended: float | None = None


def told(tried: Sequence[Tried]) -> str:
    """As the answer's head and the log have it: `ENTITY=CODE, ENTITY`."""
    return ", ".join(f"{each.entity}={each.code}" if each.code else each.entity for each in tried)


def times(tried: Sequence[Tried], started: float) -> str:
    """When each began, and how long it took, in milliseconds after the call came: `0.4+12.3, 13.1`.  The last one may
    have no end of its own.  What began before, for another call that asked the same, began with this one."""
    return ", ".join(_times(each, started) for each in tried)


def _times(tried: Tried, started: float) -> str:
    began = max(0.0, (tried.began - started) * 1000)
    if tried.ended is None:
        return f"{began:.1f}"
    return f"{began:.1f}+{max(0.0, (tried.ended - started) * 1000 - began):.1f}"
