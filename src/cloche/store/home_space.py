"""Whether the home can be written, and how much room is left for it: a disk that is full is told of before and when it
matters.

Room alone does not tell: a quota, or a file system that has turned itself read-only, has room.  So a page is written
to a new file, which is removed again; that takes 0.1 ms and is done once in five seconds at most, and only when
somebody asks.  Must not know who asks.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

PROBE = ".space-probe"
AGAIN_SECONDS = 5.0
_PAGE = b"\0" * 4096


class HomeSpace(NamedTuple):
    """`free_bytes`: None where that cannot be told.  `problem`: why the home cannot be written; None where it can."""

    free_bytes: int | None
    problem: str | None


class HomeWatch:
    """Looks after one home.  From any thread."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._looked_at: float | None = None
        self._found = HomeSpace(None, None)

    def look(self) -> HomeSpace:
        """How it is now, or was some seconds ago."""
        with self._lock:
            now = time.monotonic()
            if self._looked_at is None or now - self._looked_at >= AGAIN_SECONDS:
                self._looked_at = now
                self._found = HomeSpace(self._free(), self._obstacle())
            return self._found

    def _free(self) -> int | None:
        try:
            found = os.statvfs(self._home)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize

    def _obstacle(self) -> str | None:
        probe = self._home / PROBE
        try:
            descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, _PAGE)
            finally:
                os.close(descriptor)
                probe.unlink(missing_ok=True)
        except OSError as error:
            return error.strerror
        return None
