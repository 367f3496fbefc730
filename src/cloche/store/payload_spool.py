"""Where rows of inference tables wait until they are in their table: files in the home, a folder for each table.

A file is whole or not there, also after a crash or a power cut.  Every process of the host adds files; one process
alone, the host, brings them into the tables.  What it is about to bring is written down first as a claim, with the
number of its commit: after a crash, the table's own log tells whether that commit was made.  Must not know Delta.
"""

from __future__ import annotations

import os
import secrets
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from cloche.domain.payload import PayloadRow, TableName, is_name
from cloche.store.whole_file import write_whole

MAX_FILES = 100_000
"""Files of a table that may wait: at two a second of one worker, half a day."""

SPOOL = "payload-spool"
"""The folder in the home."""

_WRITTEN_WITHIN_NS = 60_000_000_000
_CLOCK_NS = 2_000_000_000
"""What a clock may have been set back while a call ran."""

_SUFFIX = ".rows"
_CLAIM = "claim.json"
_WRITER = "writer"
_decode = msgspec.msgpack.Decoder(list[PayloadRow]).decode


class Claim(Struct):
    """Files that go into a table in one commit, and its number."""

    number: int
    files: list[str]


class PayloadSpool:
    """The folder, which is made when there is something to keep."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    # ---------------------------------------------------------------- every process

    def keep(self, table: TableName, rows: Sequence[PayloadRow], now_ns: int) -> bool:
        """Keep rows of one table.  False if there is no room for them.  Raises OSError."""
        folder = self._of(table)
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for made in (folder, *folder.parents[:4]):
                _sync_folder(made)
        if self._count % 100 == 0 and sum(1 for _ in folder.iterdir()) >= MAX_FILES:
            return False
        self._count += 1
        _write(folder / f"{now_ns:020d}-{os.getpid()}-{self._count}{_SUFFIX}", msgspec.msgpack.encode(rows))
        return True

    def find(self, table: TableName, request_id: str, ended_ns: int) -> PayloadRow | None:
        """The row of a call that ended at about that time, if it is here: looked for in the files of a minute.

        Raises OSError.
        """
        names = sorted(path.name for path in self._of(table).glob(f"*{_SUFFIX}"))
        bounds = (f"{at:020d}" for at in (max(0, ended_ns - _CLOCK_NS), ended_ns + _WRITTEN_WITHIN_NS))
        first, last = (bisect_left(names, bound) for bound in bounds)
        for name in names[first:last]:
            try:
                rows = _decode((self._of(table) / name).read_bytes())
            except (FileNotFoundError, msgspec.MsgspecError):
                continue  # brought meanwhile, or spoilt, which the host finds out
            for row in rows:
                if row.databricks_request_id == request_id:
                    return row
        return None

    # ---------------------------------------------------------------- the host

    def writer(self) -> str:
        """The name under which this home writes to tables: it stays the same as long as the home is there.  Raises
        OSError."""
        path = self._folder / _WRITER
        if not path.exists():
            _write(path, f"cloche-{secrets.token_hex(16)}".encode())
        return path.read_text()

    def tables(self) -> list[TableName]:
        """The tables that this home has ever written to."""
        found = (path.relative_to(self._folder).parts for path in self._folder.glob("*/*/*") if path.is_dir())
        return sorted(TableName(*parts) for parts in found if all(map(is_name, parts)))

    def claimed(self, table: TableName) -> Claim | None:
        """What was about to be brought, and was not told to be done.  Raises OSError."""
        try:
            return msgspec.json.decode((self._of(table) / _CLAIM).read_bytes(), type=Claim)
        except FileNotFoundError:
            return None

    def waits(self, table: TableName) -> bool:
        """Whether there is anything to bring."""
        return any(name == _CLAIM or name.endswith(_SUFFIX) for name in os.listdir(self._of(table)))

    def claim(self, table: TableName, number: int, most_bytes: int) -> Claim:
        """Write down that the oldest files are brought now, with the number of their commit.  Raises OSError."""
        chosen: list[str] = []
        size = 0
        for path in sorted(self._of(table).glob(f"*{_SUFFIX}")):
            size += path.stat().st_size
            if chosen and size > most_bytes:
                break
            chosen.append(path.name)
        made = Claim(number, chosen)
        _write(self._of(table) / _CLAIM, msgspec.json.encode(made))
        return made

    def rows(self, table: TableName, claim: Claim) -> list[PayloadRow]:
        """What is claimed.  A file that cannot be read is set aside.  Raises OSError."""
        return [row for name in claim.files for row in self._read(self._of(table) / name)]

    def done(self, table: TableName, claim: Claim) -> None:
        """What is claimed is in the table.  Raises OSError."""
        for name in claim.files:
            (self._of(table) / name).unlink(missing_ok=True)
        # The claim goes last, and the folder is synced before: a file that comes back after a power cut is claimed.
        _sync_folder(self._of(table))
        (self._of(table) / _CLAIM).unlink()

    def _read(self, path: Path) -> Iterable[PayloadRow]:
        try:
            return _decode(path.read_bytes())
        except FileNotFoundError:
            return ()
        except msgspec.MsgspecError:
            path.rename(path.with_suffix(".unreadable"))
            return ()

    def _of(self, table: TableName) -> Path:
        return self._folder.joinpath(*table)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, also after a power cut."""
    write_whole(path, data)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
