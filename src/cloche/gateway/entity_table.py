"""What all processes of this host know together of served entities: how many calls run and wait at each, and whether
its circuit breaker is open.

A file in the home that is mapped into each process: a table of slots, each a key with the state of its breaker and, for
every process that takes calls, how many of its calls run and how many wait.  So what a process had that was killed is
known, and is given back by whoever notices (`forget`).  Checking and counting happens under one lock on the file.  The
host process makes a new file at each start: who outlives an older one counts in the older file.

`enter` with its `leave` costs 6 µs, a look at a breaker that is closed 0.6 µs.  Must not know what a call is, nor who
is to go first.
"""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

from cloche.gateway.counters import Key, key_of
from cloche.gateway.mapped_table import MappedTable, open_table

SLOTS: Final = 4096
"""Entities that may be busy or ill at once, nearly."""

FILE = "entities-1.table"
"""The number stands for the layout: a file of another one is another file."""

_OPENED, _TRIED, _CLOSINGS, _COUNTS = 2, 3, 4, 5
"""Words of a slot after the two of its key: when its breaker opened, in microseconds of the clock that all processes
share, or 0; which process tries it, from 1 on, or 0; how often it has closed; then the calls that run, one word for
each process, and those that wait."""

_PROBED = 64
"""Slots that a key may be in, from its first on."""

_LONG_OPEN: Final = 3600 * 1_000_000
"""Microseconds after which a breaker that nobody has tried is one of an entity that is gone."""

Entry = Literal["in", "wait", "full"]
"""What became of a call: it runs, it is counted among those that wait, or there is no room even for that."""


def entity_name(endpoint_id: str, entity: str) -> str:
    """What processes call an entity between them."""
    return f"{endpoint_id}/{entity}"


def entity_key(name: str) -> Key:
    """Under which an entity is counted.  `name`: as `entity_name` has it."""
    return key_of("entity", name)


class _Lock:
    """On the file, against other processes, and against other threads of this one, which share its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._here = threading.Lock()

    def __enter__(self) -> None:
        self._here.acquire()
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._here.release()


class EntityTable(MappedTable):
    """The table in one process.  `places`: how many processes take calls.  `place`: which of them this is, from 0 on;
    None: the one that keeps the others."""

    def __init__(self, descriptor: int, places: int, place: int | None = None, slots: int = SLOTS) -> None:
        self._width = _width(places)
        super().__init__(descriptor, slots, self._width)
        self._places = places
        self._place = -1 if place is None else place
        self._lock = _Lock(descriptor)

    @classmethod
    def fresh(cls, home: Path, places: int) -> EntityTable:
        """A new table, for whoever keeps the processes.  Raises OSError."""
        (home / FILE).unlink(missing_ok=True)
        return cls(open_table(home / FILE, SLOTS * _width(places) * 8), places)

    @classmethod
    def of_home(cls, home: Path, places: int, place: int) -> EntityTable:
        """The table of everybody who serves from this home.  Raises OSError."""
        return cls(open_table(home / FILE, SLOTS * _width(places) * 8), places, place)

    # ---------------------------------------------------------------- calls

    def enter(self, key: Key, max_calls: int, queue_limit: int) -> Entry:
        """Count one more call of this process at an entity.  Nobody overtakes who waits."""
        with self._lock:
            at = self._slot(key)
            if at < 0:
                return "full"
            words, running = self._words, at + _COUNTS
            waiting = running + self._places
            line = sum(words[waiting : waiting + self._places])
            if not line and sum(words[running:waiting]) < max_calls:
                words[running + self._place] += 1
                return "in"
            if line >= queue_limit:
                return "full"
            words[waiting + self._place] += 1
            return "wait"

    def leave(self, key: Key) -> bool:
        """A call of this process that ran does so no more; whether others wait."""
        with self._lock:
            at = self._find(key)
            assert at >= 0, "a slot in which a call is counted is nobody else's"
            running = at + _COUNTS
            waiting = running + self._places
            self._words[running + self._place] -= 1
            return any(self._words[waiting : waiting + self._places])

    def counts(self, key: Key) -> tuple[int, int]:
        """How many calls of all processes run, and how many wait."""
        at = self._find(key)
        if at < 0:
            return 0, 0
        running = at + _COUNTS
        waiting = running + self._places
        return sum(self._words[running:waiting]), sum(self._words[waiting : waiting + self._places])

    # ---------------------------------------------------------------- for the one who keeps the line

    def admit(self, key: Key, line: Sequence[int], max_calls: int) -> int:
        """How many of those who wait may run now, who are counted so.  `line`: the process of each, the first first."""
        with self._lock:
            at = self._find(key)
            if at < 0:
                return 0
            words, running = self._words, at + _COUNTS
            room = max_calls - sum(words[running : running + self._places])
            admitted = line[: max(0, room)]
            for place in admitted:
                words[running + place] += 1
                words[running + self._places + place] -= 1
            return len(admitted)

    def withdraw(self, key: Key, place: int) -> None:
        """A call waits no more."""
        with self._lock:
            at = self._find(key)
            assert at >= 0, "a slot in which a call is counted is nobody else's"
            self._words[at + _COUNTS + self._places + place] -= 1

    def forget(self, place: int) -> None:
        """A process is gone, and its calls with it."""
        words = self._words
        with self._lock:
            for at in self._used():
                words[at + _COUNTS + place] = words[at + _COUNTS + self._places + place] = 0
                if words[at + _TRIED] == place + 1:
                    words[at + _TRIED] = 0

    # ---------------------------------------------------------------- circuit breakers

    def opened_at(self, key: Key) -> float | None:
        """When it opened, in seconds of `time.perf_counter`; None where it is closed."""
        at = self._find(key)
        return self._words[at + _OPENED] / 1e6 or None if at >= 0 else None

    def tried(self, key: Key) -> bool:
        """Whether a call of any process tries it."""
        at = self._find(key)
        return at >= 0 and self._words[at + _TRIED] != 0

    def closings(self, key: Key) -> int:
        """How often it has closed."""
        at = self._find(key)
        return self._words[at + _CLOSINGS] if at >= 0 else 0

    def open(self, key: Key, now: float) -> None:
        """It opens, or stays open from now on."""
        with self._lock:
            at = self._slot(key)
            if at >= 0:
                self._words[at + _OPENED], self._words[at + _TRIED] = int(now * 1e6), 0

    def close_breaker(self, key: Key) -> None:
        """It closes, in all processes."""
        with self._lock:
            at = self._find(key)
            if at >= 0:
                self._words[at + _OPENED] = self._words[at + _TRIED] = 0
                self._words[at + _CLOSINGS] += 1

    def take_try(self, key: Key) -> bool:
        """Whether a call of this process is the one that tries; not if another does, also of another process."""
        with self._lock:
            at = self._find(key)
            if at < 0 or not self._words[at + _OPENED]:
                return True  # it has closed meanwhile
            if self._words[at + _TRIED]:
                return False
            self._words[at + _TRIED] = self._place + 1
            return True

    def drop_try(self, key: Key) -> None:
        """The call of this process that tried has told nothing."""
        with self._lock:
            at = self._find(key)
            if at >= 0 and self._words[at + _TRIED] == self._place + 1:
                self._words[at + _TRIED] = 0

    # ---------------------------------------------------------------- slots

    def _find(self, key: Key) -> int:
        """The slot of a key; negative if it has none.  A slot that was ever used is never empty again, so the search
        may end at an empty one."""
        words, slots, width, (first, second) = self._words, self._slots, self._width, key
        for number in range(first, first + min(_PROBED, slots)):
            at = number % slots * width
            found = words[at]
            if found == first and words[at + 1] == second:
                return at
            if not found:
                break
        return -1

    def _slot(self, key: Key) -> int:
        """The slot of a key: its own, or else one that says nothing; negative if there is none."""
        at = self._find(key)
        if at >= 0:
            return at
        words, (first, second) = self._words, key
        long_ago = time.perf_counter_ns() // 1000 - _LONG_OPEN
        for number in range(first, first + min(_PROBED, self._slots)):
            at = number % self._slots * self._width
            busy = words[at + _TRIED] or any(words[at + _COUNTS : at + self._width])
            if not busy and words[at + _OPENED] <= max(0, long_ago):
                words[at : at + self._width] = memoryview(bytes(self._width * 8)).cast("q")
                words[at], words[at + 1] = first, second
                return at
        return -1

    def _used(self) -> Iterator[int]:
        """Every slot that has a key."""
        return (place * self._width for place, first in enumerate(self._words[:: self._width].tolist()) if first)


def _width(places: int) -> int:
    """Words of a slot."""
    return _COUNTS + 2 * places
