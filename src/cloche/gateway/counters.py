"""Calls and tokens of the running minute, counted in memory that all processes of this host share.

A file in the home is mapped into each process: a table of slots, each a key with what was counted for it in one minute
of the wall clock.  Checking and counting all limits of a call happens under one lock on that file.  The kernel frees
the lock when its holder dies, however it dies, and what was counted stays, also over a restart.  Nothing waits for a
process that works: the lock is held for a few microseconds.

`take` with two keys costs 5.2 µs with its lock (of which 1 µs), `settle` 3.3 µs, on a machine where a lookup in a dict
takes 0.05 µs.  Must not know whom or what is limited.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from cloche.gateway.mapped_table import MappedTable, open_table

SLOTS: Final = 65_536
"""Keys that have room in one minute, nearly; the file has 2.6 MB."""

FILE = "limits-1.table"
"""The number stands for the layout: a file of another one is another file."""

_WORDS = 5
"""Of a slot, each 8 bytes: two halves of the key's digest, the minute, calls, tokens."""

SLOT_BYTES: Final = _WORDS * 8

_PROBED = 64
"""Slots that a key may be in, from its first on."""

_KEYS_KEPT = 65_536
_MASK = (1 << 63) - 1
UNLIMITED: Final = -1


class Key(NamedTuple):
    """What is counted under.  The digest is of 126 bits: that two keys share one will not happen."""

    first: int
    second: int

    @property
    def text(self) -> str:
        """As databases and Valkey have it."""
        return f"{self.first:x}-{self.second:x}"

    @classmethod
    def read(cls, text: str) -> Key:
        """The key of that text."""
        first, _, second = text.partition("-")
        return cls(int(first, 16), int(second, 16))


@functools.lru_cache(_KEYS_KEPT)
def key_of(*names: str) -> Key:
    """The key of these names, which is the same in every process.  0.1 µs where it is known, else 2 µs."""
    text = "".join(f"{len(name)}:{name}" for name in names)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    first, second = int.from_bytes(digest[:8]) & _MASK, int.from_bytes(digest[8:]) & _MASK
    return Key(first or 1, second)


class Want(NamedTuple):
    """One more call and so many tokens under a key, if they stay within its limits.

    `calls`, `tokens`: the limits, or UNLIMITED.  `needed`: tokens.
    """

    key: Key
    calls: int
    tokens: int
    needed: int


class Taken(NamedTuple):
    """What came of it.  `refused`: which of the wants found no room, and of what; None: all was counted.

    `used`: calls and tokens under each key that was looked at, these included if they were counted.
    `seconds`: until the minute ends, 1 to 60.
    """

    minute: int
    seconds: int
    used: list[tuple[int, int]]
    refused: tuple[int, Literal["calls", "tokens", "slots"]] | None


class Counters(MappedTable):
    """The table in one process.  `now`: Unix seconds; the minutes of all processes are those of one clock.

    `alone`: no other process counts in it, and one thread does, so there is nothing to lock.
    """

    def __init__(
        self, descriptor: int, slots: int = SLOTS, now: Callable[[], float] = time.time, *, alone: bool = False
    ) -> None:
        super().__init__(descriptor, slots, _WORDS)
        self._now = now
        self._is_shared = not alone

    @classmethod
    def of_home(cls, home: Path, *, alone: bool = False) -> Counters:
        """The table of everybody who serves from this home.  Raises OSError."""
        return cls(open_table(home / FILE, SLOTS * SLOT_BYTES), alone=alone)

    def take(self, wants: Sequence[Want]) -> Taken:
        """Count the call under every key if there is room under all of them, else under none."""
        words = self._words
        if self._is_shared:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            # The clock is read under the lock: a minute that has ended for one process has ended for all.
            now = int(self._now())
            minute, seconds = now // 60, 60 - now % 60
            used: list[tuple[int, int]] = []
            places: list[int] = []
            for index, (key, calls_limit, tokens_limit, needed) in enumerate(wants):
                at = self._place(key, minute)
                if at < 0:
                    return Taken(minute, seconds, used, (index, "slots"))
                calls, tokens = words[at + 3], words[at + 4]
                used.append((calls, tokens))
                if calls >= calls_limit >= 0:
                    return Taken(minute, seconds, used, (index, "calls"))
                if tokens_limit >= 0 and (tokens + needed > tokens_limit or tokens_limit == 0):
                    return Taken(minute, seconds, used, (index, "tokens"))
                places.append(at)
            for index, at in enumerate(places):
                calls, tokens = used[index]
                used[index] = words[at + 3], words[at + 4] = calls + 1, tokens + wants[index].needed
            return Taken(minute, seconds, used, None)
        finally:
            if self._is_shared:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def settle(self, minute: int, changes: Iterable[tuple[Key, int]]) -> None:
        """Give tokens back that were counted in a minute, or count more of them.

        When that minute is over there is nothing to give back; what comes on top counts in the running one.
        """
        words = self._words
        if self._is_shared:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            running = int(self._now()) // 60
            for key, change in changes:
                if minute != running and change <= 0:
                    continue
                at = self._place(key, running)
                if at >= 0:
                    words[at + 4] = max(0, words[at + 4] + change)
        finally:
            if self._is_shared:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _place(self, key: Key, minute: int) -> int:
        """Where this key is counted in this minute: its slot of before, or else one whose minute is over; negative if
        there is none.  A slot that was ever used is never empty again, so the search may end at an empty one."""
        words, slots, (first, second) = self._words, self._slots, key
        at = first % slots * _WORDS
        if words[at] == first and words[at + 1] == second and words[at + 2] == minute:
            return at  # nearly always, so this is worth two lines: it saves half of the time
        free = -1
        for number in range(first, first + min(_PROBED, slots)):
            at = number % slots * _WORDS
            found = words[at]
            if found == first and words[at + 1] == second:
                if words[at + 2] != minute:
                    words[at + 3] = words[at + 4] = 0
                    words[at + 2] = minute
                return at
            if free < 0 and words[at + 2] != minute:
                free = at
            if not found:
                break
        if free >= 0:
            # The minute is written last: who dies before has left a slot of no minute.
            words[free + 2] = 0
            words[free], words[free + 1] = first, second
            words[free + 3] = words[free + 4] = 0
            words[free + 2] = minute
        return free
