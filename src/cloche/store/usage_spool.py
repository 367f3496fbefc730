"""Where rows of usage wait while the database does not answer: a file for each batch, in a folder of the home.

A batch is whole or not there, also after a crash or a power cut.  Any process of the host may bring any batch home: a
row that is there already counts once, so it does no harm if two do.  Must not know what waits for what reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from cloche.domain.usage import CallUsage
from cloche.store.whole_file import write_whole

MAX_FILES = 100_000
"""Batches that may wait: at one a second, a day of outage."""

_SUFFIX = ".rows"
_decode = msgspec.json.Decoder(list[CallUsage]).decode


class UsageSpool:
    """The batches in a folder, which is made when there is something to keep."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def keep(self, rows: Sequence[CallUsage], now_ns: int) -> bool:
        """Keep a batch.  False if there is no room for it.  Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if sum(1 for _ in self._folder.iterdir()) >= MAX_FILES:
            return False
        self._count += 1
        path = self._folder / f"{now_ns:020d}-{os.getpid()}-{self._count}{_SUFFIX}"
        write_whole(path, msgspec.json.encode(rows))
        return True

    def holds_some(self) -> bool:
        """Whether anything waits in it."""
        try:
            return any(self._folder.glob(f"*{_SUFFIX}"))
        except OSError:
            return False

    def batches(self) -> Iterator[tuple[Path, list[CallUsage]]]:
        """What waits, the oldest first.  What somebody else has brought home meanwhile is left out, and a file that
        cannot be read is set aside.  Raises OSError."""
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                rows = _decode(path.read_bytes())
            except FileNotFoundError:
                continue
            except msgspec.MsgspecError:
                path.rename(path.with_suffix(".unreadable"))
                continue
            yield path, rows

    def done(self, path: Path) -> None:
        """A batch is home."""
        path.unlink(missing_ok=True)
