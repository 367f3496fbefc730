"""The thread of the host that keeps what is spent in the database, and tells this host what others have spent.

Every second it writes what has changed here and reads what all hosts have written.  So a home that is lost costs what
was spent in its last second, and several hosts know of each other's spending a second or two late.  While the database
does not answer, this host counts on by itself and writes later.  Must not know budgets.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

from cloche.gateway.budget_counters import KEPT_SECONDS, BudgetCounters
from cloche.gateway.counters import Key
from cloche.store.database import Store
from cloche.store.errors import StoreUnreachable

EVERY_SECONDS = 1.0
ID = "host.id"
"""The file in the home that has this host's name in the database."""

log = logging.getLogger("cloche.budgets")


class BudgetKeeper:
    """One for each home, from `start` to `stop`.  Made before anybody serves.  `wanted`: whether there are budgets."""

    def __init__(self, home: Path, store: Store, wanted: Callable[[], bool]) -> None:
        self._wanted = wanted
        self._host = _host_id(home)
        self._counters = BudgetCounters.of_home(home)
        self._store = store
        self._knows_itself = False
        self._written: dict[str, tuple[int, int]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="budgets", daemon=True)

    def start(self) -> None:
        """Begin.  Waits for the database once, so that a home that is new knows what was spent."""
        self._counters.nothing_is_held()
        self._turn()
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end.  Waits."""
        self._stopping.set()
        self._thread.join()
        self._counters.close()

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_SECONDS):
            self._turn()
        self._turn()

    def _turn(self) -> None:
        try:
            if self._wanted():
                with contextlib.suppress(StoreUnreachable):
                    self._read()
                    self._write()
        except Exception:  # the edge of a background thread: one defect must not end the counting for good
            log.exception("keeping what is spent failed inside cloche, and goes on")

    def _read(self) -> None:
        with self._store.read() as work:
            known = work.budgets.spent(self._host, int(self._counters.now()))
        # What this host had written counts once: from then on the table knows better, which also gives back.
        learns, self._knows_itself = not self._knows_itself, True
        for digest, (ends, own, others) in known.items():
            first, _, second = digest.partition("-")
            key = Key(int(first, 16), int(second, 16))
            self._counters.learn(key, ends, elsewhere=others, here=own if learns else 0)

    def _write(self) -> None:
        spent = {
            f"{each.key.first:x}-{each.key.second:x}": (each.ends, each.spent)
            for each in self._counters.entries()
            if each.spent
        }
        changed = {digest: told for digest, told in spent.items() if self._written.get(digest) != told}
        if changed:
            with self._store.write(publish=False) as work:
                work.budgets.note_spent(self._host, changed)
                work.budgets.forget_spent(int(self._counters.now()) - KEPT_SECONDS)
        self._written = spent


def _host_id(home: Path) -> str:
    """The same after every start from this home."""
    path = home / ID
    with contextlib.suppress(FileExistsError), path.open("x") as file:
        file.write(uuid.uuid4().hex)
    return path.read_text().strip()
