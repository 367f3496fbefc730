"""What the database says of itself: a few words by name."""

from __future__ import annotations

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError

from cloche.store.tables import meta


class MetaTable:
    """Rows of `meta`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put_if_absent(self, key: str, value: str) -> str:
        """The value under `key`, which becomes `value` where there was none."""
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(meta).values(key=key, value=value))
        except IntegrityError:
            with self._engine.begin() as connection:
                found: str = connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one()
            return found
        return value
