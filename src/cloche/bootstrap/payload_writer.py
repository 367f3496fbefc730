"""The thread of a serving process that brings ended calls into the spool of inference tables.

Every half second, or sooner where much waits, what has ended is written to files, at most 16 MB in each; a process
that is killed takes what ended since with it.  What is in the spool is lost no more.  Must not know Delta.
"""

from __future__ import annotations

import logging
import threading
import time

from cloche.domain.payload import PayloadRow, TableName
from cloche.gateway.payloads import Payloads, row
from cloche.store.payload_spool import PayloadSpool

EVERY_SECONDS = 0.5
BATCH = 1000
BATCH_BYTES = 16 * 1024 * 1024

log = logging.getLogger("cloche.tables")


class PayloadWriter:
    """One for each serving process, from `start` to `stop`.  `lost`: calls that could be kept nowhere."""

    def __init__(self, payloads: Payloads, spool: PayloadSpool) -> None:
        self._payloads = payloads
        self._spool = spool
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="payloads", daemon=True)
        self._lost = 0

    @property
    def lost(self) -> int:
        """Calls that were not kept, of this process."""
        return self._lost + self._payloads.lost

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end.  Waits."""
        self._stopping = True
        self._payloads.due.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            self._payloads.due.wait(EVERY_SECONDS)
            self._payloads.due.clear()
            self._turn()
        self._turn()

    def _turn(self) -> None:
        try:
            while taken := self._payloads.take(BATCH, BATCH_BYTES):
                told: dict[TableName, list[PayloadRow]] = {}
                for ended in taken:
                    told.setdefault(ended.table, []).append(row(ended, self._payloads.limit))
                for table, rows in told.items():
                    self._keep(table, rows)
        except Exception:  # the edge of a background thread: one defect must not end the logging for good
            log.exception("keeping payloads failed inside cloche, and goes on")

    def _keep(self, table: TableName, rows: list[PayloadRow]) -> None:
        try:
            if self._spool.keep(table, rows, time.time_ns()):
                return
            why = "the spool is full"
        except OSError as error:
            why = f"the spool cannot be written: {error.strerror}"
        self._lost += len(rows)
        log.error("%d rows of %s are lost: %s (%d so far)", len(rows), table, why, self._lost)
