"""The thread that brings ended calls into the usage tables, and where they wait while the database does not answer.

Every half second what has ended is written, up to 500 rows in a transaction; a process that is killed takes what ended
since with it.  Where the database fails, rows go to a spool in the home, which any process of this host brings home
later: so memory stays small.  Where the disk is full, too, they wait in memory, as many as the ledger takes.  Costs a
call about 10 µs of this thread.  Must not know what is counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from cloche.bootstrap.repeating import Turns
from cloche.control.usage import Usages
from cloche.domain.errors import Problem
from cloche.domain.usage import CallUsage
from cloche.gateway.tracking import MAX_WAITING, Ledger
from cloche.store.errors import StoreUnreachable
from cloche.store.usage_spool import UsageSpool

EVERY_SECONDS = 0.5
BATCH = 500
AGAIN_SECONDS = 2.0
"""Between two tries while the database does not answer: one may take seconds, in which calls pile up in memory."""

SPOOL = "usage-spool"
"""The folder in the home."""

_BATCHES_HOME = 20
"""Batches of the spool that are brought home in one turn, so that new rows do not wait long."""

log = logging.getLogger("cloche.usage")


class UsageWriter:
    """One for each serving process, from `start` to `stop`.  `lost`: rows that could be kept nowhere."""

    def __init__(self, ledger: Ledger, usages: Usages, spool: UsageSpool) -> None:
        self._ledger = ledger
        self._usages = usages
        self._spool = spool
        self._turns = Turns("usage", EVERY_SECONDS, "counting calls", self._turn)
        self._away_until = 0.0
        self._is_away = False
        self._told_entities = False
        self._waits = False
        self._told_lost = 0
        self._lost = 0

    @property
    def lost(self) -> int:
        """Rows that were not kept, of this process."""
        return self._lost + self._ledger.lost

    @property
    def spools(self) -> bool:
        """Whether rows wait in the home because the database takes none."""
        return self._is_away and self._spool.holds_some()

    @property
    def stuck(self) -> bool:
        """Whether rows wait in memory because the home takes none either."""
        return self._waits

    def start(self) -> None:
        """Begin."""
        self._turns.start()

    def stop(self) -> None:
        """Write what is left and end.  Waits."""
        self._turns.stop()

    def _turn(self) -> None:
        self._tell_entities()
        self._write_ended()
        self._bring_home()

    def _tell_entities(self) -> None:
        if not self._told_entities and self._tries():
            try:
                self._usages.note_missing_entities()
                self._told_entities = True
            except StoreUnreachable as problem:
                self._away(problem)

    def _write_ended(self) -> None:
        while taken := self._ledger.take(BATCH):
            why = self._write(taken)
            if why and self._turns.stopping:
                self._lose(len(taken), why)
            elif why:
                self._ledger.give_back(taken)
                self._wait(why)
                return
            elif self._waits:
                self._waits = False
                log.warning("usage waits in memory no longer: there is room for it")

    def _write(self, rows: Sequence[CallUsage]) -> str:
        """Why they could be kept nowhere; "" if they are."""
        if self._tries():
            try:
                self._add(rows)
            except StoreUnreachable as problem:
                self._away(problem)
            else:
                self._back()
                return ""
        try:
            return "" if self._spool.keep(rows, time.time_ns()) else "the spool is full"
        except OSError as error:
            return f"the spool cannot be written: {error.strerror}"

    def _add(self, rows: Sequence[CallUsage]) -> None:
        """Write rows; those that the database cannot keep are lost alone.  Raises StoreUnreachable."""
        try:
            self._usages.add(rows)
        except StoreUnreachable:
            raise
        except Problem as problem:
            if len(rows) == 1:
                self._lose(1, problem.message)
                return
            for each in rows:
                self._add([each])

    def _bring_home(self) -> None:
        """Write what an outage has left, of whatever process."""
        if not self._tries():
            return
        try:
            for number, (path, rows) in enumerate(self._spool.batches(), 1):
                self._add(rows)
                self._spool.done(path)
                self._back()
                if number == _BATCHES_HOME:
                    break
        except StoreUnreachable as problem:
            self._away(problem)
        except OSError as error:
            log.warning("the rows of usage that wait in the home cannot be read: %s", error)

    def _tries(self) -> bool:
        return time.monotonic() >= self._away_until

    def _away(self, problem: StoreUnreachable) -> None:
        self._away_until = time.monotonic() + AGAIN_SECONDS
        if not self._is_away:
            self._is_away = True
            log.warning("usage is kept in the home until the database answers: %s", problem.summary)

    def _back(self) -> None:
        if self._is_away:
            self._is_away = False
            log.warning("usage is written to the database again")

    def _wait(self, why: str) -> None:
        """Rows stay in memory, as many as the ledger has room for."""
        if not self._waits:
            self._waits = True
            log.error("usage waits in memory: %s; what more than %d calls have is lost", why, MAX_WAITING)
        if self._ledger.lost > self._told_lost:
            self._told_lost = self._ledger.lost
            log.error("rows of usage are lost: too many wait in memory (%d so far)", self.lost)

    def _lose(self, rows: int, why: str) -> None:
        self._lost += rows
        log.error("%d rows of usage are lost: %s (%d so far)", rows, why, self._lost)
