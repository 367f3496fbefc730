"""The thread of the host that brings the spool into the inference tables, and looks after them once a day.

One process alone does it, whoever serves.  Each file of the spool comes into its table once: what goes into a commit
is claimed before, the commit bears the claim's number, and after a crash the table tells whether it was made.  While a
table cannot be written, files wait.  Must not know calls.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import time
from datetime import UTC, datetime, timedelta

from cloche.bootstrap.repeating import Turns
from cloche.domain.payload import TableName
from cloche.store.payload_spool import PayloadSpool
from cloche.store.payload_tables import PayloadTables

EVERY_SECONDS = 10.0
STOP_SECONDS = 10.0
DAY_SECONDS = 86_400.0
FIRST_SECONDS = 3600.0
"""From the start until tables are first looked after: also those of a server that is started every day."""

COMMIT_BYTES = 8 * 1024 * 1024
"""Of the spool, in one commit, which takes four times as much memory while it is made."""

log = logging.getLogger("cloche.tables")


def bring(spool: PayloadSpool, tables: PayloadTables, table: TableName) -> bool:
    """Bring what waits for a table into it, in as many commits as it takes; whether anything has waited."""
    writer = spool.writer()
    found = False
    while spool.waits(table):
        found = True
        made = tables.number(table, writer)
        claim = spool.claimed(table) or spool.claim(table, made + 1, COMMIT_BYTES)
        if claim.number > made:
            rows = spool.rows(table, claim)
            if rows:
                tables.append(table, rows, writer, claim.number)
        spool.done(table, claim)
    return found


class TableKeeper:
    """One for each home, from `start` to `stop`.  `retention_days`: None keeps rows for ever."""

    def __init__(self, spool: PayloadSpool, tables: PayloadTables, retention_days: int | None) -> None:
        self._spool = spool
        self._tables = tables
        self._retention_days = retention_days
        self._turns = Turns("tables", EVERY_SECONDS, "keeping inference tables", self._turn)
        self._looked_after = time.monotonic() - DAY_SECONDS + FIRST_SECONDS
        self._failing: set[TableName] = set()

    def start(self) -> None:
        """Begin."""
        self._turns.start()

    def stop(self) -> None:
        """Bring what is left and end.  Waits, but not for an object store that does not answer: files stay."""
        self._turns.stop(STOP_SECONDS)

    def _turn(self) -> None:
        daily = time.monotonic() - self._looked_after >= DAY_SECONDS
        if daily:
            self._looked_after = time.monotonic()
        brought = False
        for table in self._spool.tables():
            try:
                brought |= bring(self._spool, self._tables, table)
                if daily:
                    self._look_after(table)
                self._failing.discard(table)
            except Exception as error:  # noqa: BLE001  # the edge of a background thread: deltalake has many
                if table not in self._failing:
                    log.warning("%s cannot be written, its rows wait in the home: %s", table, error)
                    self._failing.add(table)
        if brought:
            _give_back()

    def _look_after(self, table: TableName) -> None:
        if self._retention_days is not None:
            day = datetime.now(UTC).date() - timedelta(days=self._retention_days)
            forgotten = self._tables.forget(table, day.isoformat())
            log.info("%s: %d rows from before %s are forgotten", table, forgotten, day)
        compacted, removed = self._tables.compact(table), self._tables.vacuum(table)
        log.info("%s: %d files were made fewer, %d old ones removed", table, compacted, removed)


def _give_back() -> None:
    """Have the C library give the system back what the rows took, where it can; by itself it keeps most of it, as much
    as 40 MB.  Takes less than a millisecond, 20 after a turn with tens of thousands of rows."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
