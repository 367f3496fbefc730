"""Dates in the heads of answers: read, and turned into what does not depend on anybody's clock.

Reads no clock: the time is given.  Must not know what the times are for.
"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime


def read(value: bytes) -> float | None:
    """Unix seconds of a date in any of HTTP's three forms, None where it is none; one without a zone is in UTC."""
    try:
        moment = parsedate_to_datetime(value.decode("latin-1"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def with_seconds_to_wait(headers: dict[bytes, bytes], now: float) -> dict[bytes, bytes]:
    """The head of an answer with its Retry-After in whole seconds, where that is a date; the same head otherwise.

    Whoever names a date has a clock of their own, which the answer's Date tells: their difference holds wherever this
    host's clock stands.  `now`: Unix seconds, for answers without one.
    """
    until = read(headers.get(b"retry-after", b""))
    if until is None:
        return headers
    since = read(headers.get(b"date", b""))
    seconds = max(0, int(-(-(until - (now if since is None else since)) // 1)))
    return {**headers, b"retry-after": b"%d" % seconds}
