"""The database: opened, brought to the newest revision, and refused when it is not ours to touch.

Owns the file's place and the order at start.  Must not know what the tables are for.  Two processes that start at once
take turns under a file lock, because a migration is not a thing to race for.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from filelock import FileLock, Timeout
from sqlalchemy import Engine, column, inspect, select, table
from sqlalchemy.exc import DBAPIError

from cloche.domain.errors import OurFault
from cloche.store import sqlite
from cloche.store.key import token_key
from cloche.store.meta import MetaTable
from cloche.store.tokens import TokenTable

FILE = "cloche.db"
LOCK_SECONDS = 60

NEWEST = "0001"
"""The last revision in migrations/versions: what this version of cloche brings a database to."""

_version = table("alembic_version", column("version_num"))


class StoreUnusable(OurFault):
    """The database cannot be used as it is; the message says why and what to do.  For the operator at the terminal."""


class Store(msgspec.Struct, frozen=True):
    """The open database, a table at a time.  `key`: the key of token digests."""

    engine: Engine
    key: bytes
    tokens: TokenTable

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def open_store(home: Path) -> Store:
    """Open the database of a home, new or old, at the newest revision.  Raises StoreUnusable."""
    path = home / FILE
    engine: Engine | None = None
    try:
        with FileLock(str(path) + ".lock", timeout=LOCK_SECONDS, mode=0o600):
            engine = sqlite.open_file(path)
            _migrate(engine, path)
            key = _matching_key(home, engine)
    except Timeout as error:
        raise StoreUnusable(f"another process has held {path}.lock for {LOCK_SECONDS} s") from error
    except (DBAPIError, OSError) as error:
        _dispose(engine)
        raise StoreUnusable(f"cannot open {path}: {getattr(error, 'orig', None) or error}") from error
    except StoreUnusable:
        _dispose(engine)
        raise
    return Store(engine, key, TokenTable(engine))


def revision(home: Path) -> str | None:
    """The revision that a home's database is at; None where there is no database.  Raises StoreUnusable."""
    path = home / FILE
    if not path.exists():
        return None
    engine = sqlite.open_file(path)
    try:
        return _revision(engine)
    except DBAPIError as error:
        raise StoreUnusable(f"cannot read {path}: {error.orig}") from error
    finally:
        engine.dispose()


def _dispose(engine: Engine | None) -> None:
    if engine is not None:
        engine.dispose()


def _revision(engine: Engine) -> str | None:
    if not inspect(engine).has_table(_version.name):
        return None
    with engine.connect() as connection:
        return connection.execute(select(_version.c.version_num)).scalar_one_or_none()


def _migrate(engine: Engine, path: Path) -> None:
    at = _revision(engine)
    if at == NEWEST:
        return
    from cloche.store import migrate  # late: see there

    if at is not None and at not in migrate.history():
        raise StoreUnusable(
            f"{path} is at revision {at}, which this version of cloche does not know (it knows up to {NEWEST}): "
            "a newer cloche has used it. Run that version, or restore an older copy of the file."
        )
    migrate.upgrade(engine)


def _matching_key(home: Path, engine: Engine) -> bytes:
    """The key of this home; a key that is not the one the database's tokens were made with would refuse them all."""
    key, meta = token_key(home), MetaTable(engine)
    mark = key.fingerprint()
    if meta.put_if_absent("token_key", mark) != mark:
        raise StoreUnusable(
            f"{key.path} is not the key that the tokens in {home / FILE} were made with. "
            f"Restore the old key, or remove {home / FILE} and make new tokens."
        )
    return key.value
