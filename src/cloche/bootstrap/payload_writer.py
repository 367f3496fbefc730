"""The thread of a serving process that brings ended calls into the spool of inference tables.

Every half second, or sooner where much waits, what has ended is written to files, at most 16 MB in each; a process
that is killed takes what ended since with it.  What is in the spool is lost no more; while it cannot be
written, calls wait in memory, as many as there is room for.  Must not know Delta.
"""

from __future__ import annotations

import logging
import threading
import time

from cloche.domain.payload import TableName
from cloche.gateway.payloads import Ended, Payloads, row
from cloche.store.payload_spool import PayloadSpool

EVERY_SECONDS = 0.5
AGAIN_SECONDS = 2.0
"""Between two tries while the spool cannot be written: what waits is made into rows anew each time."""

BATCH = 1000
BATCH_BYTES = 16 * 1024 * 1024

log = logging.getLogger("cloche.tables")


class PayloadWriter:
    """One for each serving process, from `start` to `stop`.  `lost`: calls that could be kept nowhere."""

    def __init__(self, payloads: Payloads, spool: PayloadSpool) -> None:
        self._payloads = payloads
        self._spool = spool
        self._stopping = threading.Event()
        self._waits = False
        self._told_lost = 0
        self._thread = threading.Thread(target=self._run, name="payloads", daemon=True)
        self._lost = 0

    @property
    def lost(self) -> int:
        """Calls that were not kept, of this process."""
        return self._lost + self._payloads.lost

    @property
    def stuck(self) -> bool:
        """Whether what has ended waits in memory because the home takes nothing."""
        return self._waits

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end.  Waits."""
        self._stopping.set()
        self._payloads.due.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._waits:
                self._stopping.wait(AGAIN_SECONDS)
            self._payloads.due.wait(EVERY_SECONDS)
            self._payloads.due.clear()
            self._turn()
        self._turn()

    def _turn(self) -> None:
        try:
            while taken := self._payloads.take(BATCH, BATCH_BYTES):
                told: dict[TableName, list[Ended]] = {}
                for ended in taken:
                    told.setdefault(ended.table, []).append(ended)
                left = [each for table, ended in told.items() for each in self._not_kept(table, ended)]
                self._waits = bool(left)
                if left:
                    self._payloads.give_back(left)
                    return
        except Exception:  # the edge of a background thread: one defect must not end the logging for good
            log.exception("keeping payloads failed inside cloche, and goes on")

    def _not_kept(self, table: TableName, ended: list[Ended]) -> list[Ended]:
        """Keep these; those for which there is no room yet."""
        try:
            rows = [row(each, self._payloads.limit) for each in ended]
            if self._spool.keep(table, rows, time.time_ns()):
                return []
            why = "the spool is full"
        except OSError as error:
            why = f"the spool cannot be written: {error.strerror}"
        if self._stopping.is_set():
            self._lost += len(ended)
            log.error("%d rows of %s are lost: %s (%d so far)", len(ended), table, why, self.lost)
            return []
        if not self._waits or self._payloads.lost > self._told_lost:
            self._told_lost = self._payloads.lost
            log.error("rows of %s wait in memory: %s (%d are lost so far)", table, why, self.lost)
        return ended
