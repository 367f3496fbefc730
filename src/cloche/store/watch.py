"""Hearing of changes that other processes make, soon and cheaply.

Owns the waiting: when to look, when to connect again, and how to stop.  What is looked at is a `Signal`, of which each
kind of database has one.  Must not know what has changed: whoever is told reads the revision.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from typing import Protocol

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
"""Seconds between attempts to connect again, which double."""


class Lost(Exception):
    """The database does not answer a signal's question."""


class Signal(Protocol):
    """A connection of its own to the database, which shows that something was committed."""

    @property
    def file(self) -> int | None:
        """A descriptor that becomes readable when it is worth looking; None where there is none."""

    @property
    def interval(self) -> float:
        """How long to wait, in seconds, before looking all the same."""

    def mark(self) -> int:
        """A number that is another one after a change.  Raises Lost."""

    def close(self) -> None:
        """Give the connection back.  Never raises."""


class Changes:
    """For one thread that waits; `close` may come from any."""

    def __init__(self, connect: Callable[[], Signal]) -> None:
        """`connect` raises Lost."""
        self._connect = connect
        self._signal: Signal | None = None
        self._mark = 0
        self._pause = FIRST_PAUSE
        self._retry_at = 0.0
        self._woken, self._waker = os.pipe()
        self._closed = threading.Event()
        self._idle = threading.Lock()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for a change.  True: look at the database now; False: the time is over, or `close` was called.

        It is also True when the database answers (again) after it was not there, because nobody can say what it missed.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._idle:
            while not self._closed.is_set():
                if self._changed():
                    return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._sleep(left)
        return False

    def close(self) -> None:
        """End, and let the one who waits go."""
        if self._closed.is_set():
            return
        self._closed.set()
        os.write(self._waker, b"x")
        with self._idle:
            self._drop()
            os.close(self._woken)
            os.close(self._waker)

    def _changed(self) -> bool:
        if self._signal is None:
            return self._connected()
        try:
            mark = self._signal.mark()
        except Lost:
            self._drop()
            return False
        changed = mark != self._mark
        self._mark = mark
        return changed

    def _connected(self) -> bool:
        """Whether a connection could be made, if it is time to try."""
        if time.monotonic() < self._retry_at:
            return False
        try:
            signal = self._connect()
        except Lost:
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            return False
        self._signal, self._pause = signal, FIRST_PAUSE
        try:
            self._mark = signal.mark()
        except Lost:
            self._drop()
            return False
        return True

    def _sleep(self, longest: float) -> None:
        signal = self._signal
        most = self._retry_at - time.monotonic() if signal is None else signal.interval
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if signal is not None and signal.file is not None:
            poll.register(signal.file, select.POLLIN)
        poll.poll(max(0.001, min(longest, most)) * 1000)

    def _drop(self) -> None:
        """Forget the connection; the next one is tried after the first pause."""
        if self._signal is not None:
            self._signal.close()
            self._signal = None
            self._retry_at = time.monotonic() + self._pause
