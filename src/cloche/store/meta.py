"""What the database says of itself: a few words by name."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from cloche.store.tables import meta


class MetaTable:
    """Rows of `meta`, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, key: str) -> str | None:
        """The value under `key`."""
        return self._connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()

    def put(self, key: str, value: str) -> None:
        """Keep a value under `key`."""
        if not self._connection.execute(update(meta).where(meta.c.key == key).values(value=value)).rowcount:
            self._connection.execute(insert(meta).values(key=key, value=value))
