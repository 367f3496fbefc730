"""Staying at the newest state: a thread of each serving process that waits for changes of others and publishes them.

It outlives the database: while that does not answer, what was published last stays in force, and the log says so once
when it goes and once when it is back.  The same thread writes down when tokens were last used, and lets the state be
kept for the time when there is no database.  Must not know how changes are noticed; that is the store's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from cloche.control.publish import Publisher
from cloche.domain.state import State
from cloche.store.database import StoreUnreachable

LOOK_SECONDS = 1.0
"""A change is looked for at least so often, even if nothing was noticed: one short read, about 0.2 ms."""

PAUSE_SECONDS = 0.5
"""Between two tries while the database does not answer."""

NOTE_SECONDS = 30.0
KEEP_SECONDS = 1.0
"""A state is kept at most so often, however many changes are made."""

KEEP_AGAIN_SECONDS = 60.0
"""A kept state bears the time at which it was known to be the newest, so an old one is kept anew."""

log = logging.getLogger("cloche.control")


class Waiting(Protocol):
    """What tells of changes."""

    def wait(self, timeout_seconds: float) -> bool:
        """Whether it is worth looking now; false when the time is over without a sign of it."""

    def close(self) -> None:
        """No more waiting: whoever waits returns soon."""


class Uses:
    """When tokens were last used, on the way to the database.

    `used`: times (Unix milliseconds) by token id; calls write to it at any moment.  `note`: writes them down, and may
    raise StoreUnreachable.
    """

    def __init__(self, used: dict[str, int], note: Callable[[Mapping[str, int]], None]) -> None:
        self._used = used
        self._note = note

    def write_down(self) -> None:
        """Write down what there is; all of it stays where it was if that fails.  Raises StoreUnreachable."""
        # One by one, because each step is atomic: calls go on adding while this runs.
        taken = dict(self._used.popitem() for _ in range(len(self._used)))
        if not taken:
            return
        try:
            self._note(taken)
        except BaseException:
            for token_id, at in taken.items():
                self._used.setdefault(token_id, at)
            raise


class Follower:
    """The thread.  `keep`: takes each state that is known to be the newest; None where another process does that."""

    def __init__(
        self, publisher: Publisher, changes: Waiting, uses: Uses, keep: Callable[[State], None] | None = None
    ) -> None:
        self._publisher = publisher
        self._changes = changes
        self._uses = uses
        self._keep = keep
        self._kept: State | None = None
        self._kept_at = 0.0
        self._noted_at = time.monotonic()
        self._away_since: float | None = None
        self._defect: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Follow from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more; what is still to be written down is, if the database answers."""
        self._stopping.set()
        self._changes.close()
        self._thread.join()
        if self._away_since is None:
            self._noted_at = 0.0
            self._kept_at = 0.0
            self._look()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._changes.wait(LOOK_SECONDS)
            if not self._look():
                self._stopping.wait(PAUSE_SECONDS)

    def _look(self) -> bool:
        """Publish what there is; whether that went well."""
        try:
            self._publisher.refresh()
            self._back()
            self._write_down()
        except StoreUnreachable as problem:
            self._gone(problem)
            return False
        except Exception as error:  # the edge of a thread: a defect in one state must not end following for good
            if repr(error) != self._defect:  # told once: this is tried again every second
                log.exception("the newest state cannot be published; what was published last stays in force")
            self._defect = repr(error)
            return False
        self._defect = None
        return True

    def _write_down(self) -> None:
        now = time.monotonic()
        if now - self._noted_at >= NOTE_SECONDS:
            self._noted_at = now
            self._uses.write_down()
        state = self._publisher.current().state
        due = KEEP_SECONDS if state is not self._kept else KEEP_AGAIN_SECONDS
        if self._keep is not None and now - self._kept_at >= due:
            self._kept_at = now
            self._keep(state)
            self._kept = state

    def _gone(self, problem: StoreUnreachable) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("%s; published revision: %d", problem.summary, self._publisher.current().revision)

    def _back(self) -> None:
        if self._away_since is not None:
            log.warning("the database answers again, after %.1f s", time.monotonic() - self._away_since)
            self._away_since = None
