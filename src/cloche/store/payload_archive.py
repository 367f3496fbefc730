"""What was asked and answered in one call, wherever it is now: in the spool, or in its inference table.

A row of the last seconds is in a file of the home.  For the others deltalake is asked, which takes 0.1 s and 23 MB to
be imported, in the process that is asked first.  Must not know who may see it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cloche.domain.payload import PayloadRow, TableName
from cloche.store.payload_spool import PayloadSpool
from cloche.store.payload_tables import PayloadTables


class Unreadable(Exception):
    """A table could not be looked at; the text is for the operator."""


class PayloadArchive:
    """Spool and tables of a home."""

    def __init__(self, spool: PayloadSpool, tables: PayloadTables) -> None:
        self._spool = spool
        self._tables = tables

    def find(self, table: TableName, request_id: str, time_ms: int, duration_ms: float) -> PayloadRow | None:
        """The row of a call that came at that time and took so long; None if there is none.  Raises Unreadable."""
        try:
            waiting = self._spool.find(table, request_id, int((time_ms + duration_ms) * 1_000_000))
            if waiting is not None:
                return waiting
            day = datetime.fromtimestamp(time_ms / 1000, UTC).date()
            return self._tables.find(table, request_id, day.isoformat())
        except ImportError as error:
            raise Unreadable("the extra 'tables' is not installed") from error
        except Exception as error:  # deltalake has many, and object stores more
            raise Unreadable(f"{type(error).__name__}: {error}") from error
