"""How the installation's own state is, for `cloche doctor`: read, never changed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cloche.store.database import NEWEST, StoreUnusable, revision


class DatabaseState(msgspec.Struct, frozen=True):
    """`at`: the database's revision, None where there is no database yet; `newest`: the one that cloche brings it to.

    `problem`: why it cannot be used, None where all is well.
    """

    at: str | None
    newest: str
    problem: str | None = None


def database_state(home: Path, url: str | None = None) -> DatabaseState:
    """The state of the database that the settings mean, which is only looked at."""
    try:
        at = revision(home, url)
    except StoreUnusable as error:
        return DatabaseState(None, NEWEST, str(error))
    # Revisions are numbered, so that "newer" needs no history that this version does not have.
    newer = at is not None and at > NEWEST
    return DatabaseState(at, NEWEST, "a newer cloche has used this database" if newer else None)
