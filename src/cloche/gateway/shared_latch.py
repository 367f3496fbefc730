"""The latch of an entity's circuit breakers, one in each process of this host, that open and close together."""

from __future__ import annotations

from cloche.gateway.entity_table import EntityTable, entity_key


class SharedLatch:
    """Implements `breakers.Latch`.  `entity`: its name."""

    def __init__(self, table: EntityTable, entity: str) -> None:
        self._table = table
        self._key = entity_key(entity)

    @property
    def opened_at(self) -> float | None:
        """As Latch.opened_at, by `time.perf_counter`, which is one clock for all processes."""
        return self._table.opened_at(self._key)

    @property
    def tried(self) -> bool:
        """As Latch.tried."""
        return self._table.tried(self._key)

    @property
    def closings(self) -> int:
        """As Latch.closings."""
        return self._table.closings(self._key)

    def open(self, now: float) -> None:
        """As Latch.open."""
        self._table.open(self._key, now)

    def close(self) -> None:
        """As Latch.close."""
        self._table.close_breaker(self._key)

    def take(self) -> bool:
        """As Latch.take."""
        return self._table.take_try(self._key)

    def drop(self) -> None:
        """As Latch.drop."""
        self._table.drop_try(self._key)
