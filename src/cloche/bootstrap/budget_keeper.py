"""The thread of the host that keeps what is spent in the database, and tells this host what others have spent.

Every second it writes what has changed here and reads what all hosts have written.  So a home that is lost costs what
was spent in its last second, and several hosts know of each other's spending a second or two late.  Where they share a
Valkey it tells that of everything, so that what Valkey knows of spending may be lost at any time.  While the database
does not answer, this host counts on by itself and writes later.  Must not know budgets.
"""

from __future__ import annotations

import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from cloche.bootstrap.repeating import Turns
from cloche.gateway.budget_counters import HELD_SECONDS, KEPT_SECONDS, BudgetCounters, Entry
from cloche.gateway.counters import Key
from cloche.gateway.shared_money import Total, holder
from cloche.store.budgets import Spent
from cloche.store.database import Store
from cloche.store.errors import StoreUnreachable

EVERY_SECONDS = 1.0
ID = "host.id"
"""The file in the home that has this host's name in the database."""


class Telling(Protocol):
    """Somebody who wants to know what all hosts have spent."""

    def tell(self, totals: Iterable[Total], gone: Sequence[str]) -> None:
        """As far as this host knows.  `gone`: processes that have ended, and hold nothing any more."""

    def close(self) -> None:
        """There is nothing more to tell."""


class BudgetKeeper:
    """One for each home, from `start` to `stop`.  Made before anybody serves.  `wanted`: whether there are budgets.
    `told`: where Valkey is told."""

    def __init__(
        self,
        home: Path,
        store: Store,
        wanted: Callable[[], bool],
        places: int = 1,
        told: Telling | None = None,
    ) -> None:
        self._wanted = wanted
        self._host = host_id(home)
        self._counters = BudgetCounters.of_home(home, places)
        self._store = store
        self._told = told
        self._knows_itself = False
        self._others: list[Spent] = []
        self._gone: deque[str] = deque(maxlen=1000)
        self._written: dict[str, Spent] = {}
        self._turns = Turns("budgets", EVERY_SECONDS, "keeping what is spent", self.turn)

    def start(self) -> None:
        """Begin.  Waits for the database once, so that a home that is new knows what was spent."""
        self._counters.begin()
        self._turns.take()
        self._turns.start()

    def stop(self) -> None:
        """Write what is left and end.  Waits."""
        self._turns.stop()
        self._counters.close()
        if self._told is not None:
            self._told.close()

    def free(self, place: int) -> None:
        """The process that served in a place has ended: give back what it held."""
        self._gone.append(holder(self._host, self._counters.free(place)))

    def turn(self) -> None:
        """Tell and be told, where there are budgets."""
        if self._wanted():
            with contextlib.suppress(StoreUnreachable):
                self._read()
                self._write()
        if self._told is not None:
            own = (Total(each.key, self._host, each.spent, each.ends) for each in self._counters.entries())
            others = (Total(Key.read(each.digest), each.host, each.spent, each.ends) for each in self._others)
            self._told.tell([*own, *others], [self._gone.popleft() for _ in range(len(self._gone))])

    def _read(self) -> None:
        """Learn what others have spent, and hold, unless they have not been heard of for long."""
        now = int(self._counters.now())
        with self._store.read() as work:
            known = work.budgets.spent(now)
        # What this host had written counts once: from then on the table knows better.
        learns, self._knows_itself = not self._knows_itself, True
        self._others = [each for each in known if each.host != self._host]
        own = {each.digest: each.spent for each in known if each.host == self._host} if learns else {}
        ends = {each.digest: each.ends for each in known}
        sums = {digest: [0, 0] for digest in ends}
        for each in self._others:
            sums[each.digest][0] += each.spent
            sums[each.digest][1] += each.held if each.held_until > now else 0
        for digest, (spent, held) in sums.items():
            self._counters.learn(Key.read(digest), ends[digest], spent, held, here=own.get(digest, 0))

    def _write(self) -> None:
        """Write what has changed, and again what is held, before it counts no longer."""
        now = int(self._counters.now())
        rows = (self._row(each, now) for each in self._counters.entries())
        told = {row.digest: row for row in rows if row.spent or row.held or row.digest in self._written}
        changed = [row for digest, row in told.items() if row != self._written.get(digest)]
        if changed:
            with self._store.write(publish=False) as work:
                work.budgets.note_spent(changed)
                work.budgets.forget_spent(now - KEPT_SECONDS)
        self._written = told

    def _row(self, entry: Entry, now: int) -> Spent:
        digest = entry.key.text
        before = self._written.get(digest)
        until = 0
        if entry.held:
            # It is written again when half of the time is over, and else only where it has changed.
            is_fresh = before is not None and before.held_until > now + HELD_SECONDS // 2
            until = before.held_until if before is not None and is_fresh else now + HELD_SECONDS
        return Spent(self._host, digest, entry.ends, entry.spent, entry.held, until)


def host_id(home: Path) -> str:
    """This host's name, the same after every start from this home."""
    path = home / ID
    with contextlib.suppress(FileExistsError), path.open("x") as file:
        file.write(uuid.uuid4().hex)
    return path.read_text().strip()
