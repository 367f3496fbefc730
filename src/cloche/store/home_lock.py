"""One server for a home: a lock that the kernel frees when its holder dies, however it dies.

The pid of the holder stands in the file for people alone; what counts is the lock.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from cloche.domain.errors import OurFault

FILE = "serve.lock"


class HomeInUse(OurFault):
    """Another process serves from this home; the message names it."""


class HomeLock:
    """The lock of a home, taken while the block lasts."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / FILE
        self._lock = FileLock(self._path, timeout=0, mode=0o600, thread_local=False)

    def __enter__(self) -> HomeLock:
        """Take it.  Raises HomeInUse at once, OSError."""
        try:
            self._lock.acquire()
        except Timeout:
            raise HomeInUse(f"{self._home} is in use by {self._holder()}: one server at a time has a home") from None
        self._path.write_text(f"{os.getpid()}\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free it."""
        self._lock.release()

    def _holder(self) -> str:
        pid = self._path.read_text().strip()
        return f"the process {pid}" if pid else "another process"
