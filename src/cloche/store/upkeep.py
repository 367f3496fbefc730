"""Copies of the database, and whether it is whole: what an operator does, by the command line, to a file of SQLite's.

PostgreSQL has tools of its own for copies.  Must not know what is in the tables, nor open anything sealed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cloche.store import snapshot_file
from cloche.store.database import FILE, NEWEST
from cloche.store.errors import StoreUnusable
from cloche.store.home_lock import HomeLock
from cloche.store.sqlite import look


def backup(home: Path, target: Path) -> None:
    """Copy the database, while it may be in use, to a file that must not exist.  Raises StoreUnusable."""
    source = home / FILE
    if not source.exists():
        raise StoreUnusable(f"there is no database in {home}")
    if target.exists():
        raise StoreUnusable(f"{target} is there already: name a file that is not")
    with _saying(target):
        _copy(source, target)


def restore(home: Path, source: Path, now_ms: int) -> Path | None:
    """Put a copy in place of the database.  Returns where the old one is now, if there was one.

    Raises StoreUnusable where the copy is not whole or not cloche's, HomeInUse while a server runs.
    """
    target = home / FILE
    draft = target.with_name(f".{FILE}.restored")
    with HomeLock(home), _saying(source):
        _check_copy(source)
        draft.unlink(missing_ok=True)
        _copy(source, draft)
        old = _set_aside(target, now_ms) if target.exists() else None
        draft.replace(target)
        # It tells of a later time than the database does now.
        (home / snapshot_file.FILE).unlink(missing_ok=True)
    return old


def flaws(path: Path) -> list[str]:
    """What SQLite finds wrong with a file; it is not changed.  Raises StoreUnusable if it is no database."""
    with _saying(path), closing(look(path)) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
    return [] if found == ["ok"] else found


def _check_copy(path: Path) -> None:
    if not path.is_file():
        raise StoreUnusable(f"there is no file {path}")
    found = flaws(path)
    if found:
        raise StoreUnusable(f"{path} is damaged: {'; '.join(found)}")
    with closing(look(path)) as connection:
        named = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        at = connection.execute("SELECT version_num FROM alembic_version").fetchone() if named else None
    if at is None:
        raise StoreUnusable(f"{path} is no database of cloche's")
    if str(at[0]) > NEWEST:
        raise StoreUnusable(
            f"{path} is at revision {at[0]}: a newer cloche has made it (this one knows up to {NEWEST})"
        )


def _copy(source: Path, target: Path) -> None:
    """A consistent copy with mode 0600, whole or not there."""
    draft = target.with_name(f".{target.name}.part")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(_reader(source)) as original, closing(sqlite3.connect(draft)) as copy:
            original.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, which can be read where nothing can be written
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _set_aside(path: Path, now_ms: int) -> Path:
    """Keep the old database under another name, with what is not in its main file yet."""
    aside = path.with_name(f"{path.name}.before-{now_ms}")
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error:
        pass  # a damaged one is kept as it is
    for suffix in ("-wal", "-shm"):
        beside = Path(f"{path}{suffix}")
        if beside.exists():
            beside.replace(f"{aside}{suffix}")
    os.link(path, aside)  # and not renamed: there is a database at every moment
    return aside


def _reader(path: Path) -> sqlite3.Connection:
    # Not by `look`, because a server may start while the copy is made.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)


@contextmanager
def _saying(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnusable(f"{path}: {error}") from error
    except OSError as error:
        raise StoreUnusable(f"{error.filename or path}: {error.strerror}") from error
