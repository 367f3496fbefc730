"""Whether this host's clock is wrong, as far as an answer can tell.

Signed calls and assertions bear a time, and providers refuse those of another time with words that lead elsewhere: a
signature that does not match, a token that is not valid.  Each answer says when it was given, so the reason can be
told.  Reads no clock: the time is given.
"""

from __future__ import annotations

from collections.abc import Mapping

from cloche.codec import http_date

_TOLERATED = 240.0
"""Seconds.  Providers tolerate five minutes; an answer may have been under way for some of them."""

_UNITS = ((172800, 86400, "days"), (7200, 3600, "hours"), (0, 60, "minutes"))
"""(from how many seconds, seconds of one, its name)."""


def skew(headers: Mapping[bytes, bytes], now: float) -> str | None:
    """What is wrong with this host's clock, to stand within a sentence; None if nothing is, or nothing can be told.

    `headers`: of an answer, names in lower case.  `now`: Unix seconds by this host's clock when it came.
    """
    theirs = http_date.read(headers.get(b"date", b""))
    if theirs is None or abs(now - theirs) <= _TOLERATED:
        return None
    size = abs(now - theirs)
    unit, name = next((seconds, name) for least, seconds, name in _UNITS if size >= least)
    side = "ahead of" if now > theirs else "behind"
    return f"this host's clock is {round(size / unit)} {name} {side} the provider's"
