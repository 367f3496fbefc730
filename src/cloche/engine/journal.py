"""What an engine has said and what became of it: the last lines, for whoever looks after an endpoint.

An engine's own words are kept only until it can generate: later ones might quote a caller's text.  Must not know who
reads it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

KEPT_LINES = 500


class Journal:
    """The newest lines of one model, over all lives of its engine.  `now_ms`: the clock, in Unix milliseconds."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._lines: deque[tuple[int, str]] = deque(maxlen=KEPT_LINES)

    def add(self, line: str) -> None:
        """Add a line at the end; the oldest goes when there are too many."""
        self._lines.append((self._now_ms(), line))

    def text(self) -> str:
        """All lines, each with its time (UTC)."""
        return "".join(f"{_time(at)} {line}\n" for at, line in list(self._lines))


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"
