"""Making a change known to the calls that come after it: compile a candidate inside the transaction, which may fail and
then leaves everything as it was; commit; swap, which cannot fail.

One Publisher in each serving process.  What was committed before `change` or `refresh` is called is in force when it
returns.  Must not know what a change is about.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from cloche.control.compiling import Compiled, Compiler
from cloche.domain.errors import InvalidParameter
from cloche.domain.state import State
from cloche.snapshot import Slot, Snapshot
from cloche.store.database import Store, StoreUnreachable
from cloche.store.work import Work


class Publisher:
    """Keeps a slot at the newest state.  `published` is called after each swap, in whatever thread did it."""

    def __init__(self, slot: Slot, store: Store, compiler: Compiler) -> None:
        self._slot = slot
        self._store = store
        self._compiler = compiler
        self._one_at_a_time = threading.Lock()
        self._away: StoreUnreachable | None = None
        self.published: list[Callable[[Snapshot], None]] = []

    @property
    def store(self) -> Store:
        """Where changes are kept."""
        return self._store

    @property
    def compiler(self) -> Compiler:
        """What candidates are compiled with."""
        return self._compiler

    def current(self) -> Snapshot:
        """The snapshot in force."""
        return self._slot.current()

    def database_answers_in(self) -> float | None:
        """How long the database takes for a small question now, in milliseconds; None while it does not answer."""
        if self._away is not None:
            return None
        began = time.perf_counter()
        try:
            with self._store.read() as work:
                work.revision()
        except StoreUnreachable:
            return None
        return (time.perf_counter() - began) * 1000

    @contextmanager
    def change(self) -> Iterator[Work]:
        """One change: in force for this process when the block has ended, for the others soon after.

        Raises StoreUnreachable, at once while `refresh` has not found the database again: changes come one after
        another, and each would wait some seconds for a server that is gone without a word; InvalidParameter if an
        endpoint that serves now would not be able to any more.
        """
        with self._one_at_a_time:
            if self._away is not None:
                away = self._away
                raise StoreUnreachable(away.message, retry_after=away.retry_after, summary=away.summary)
            with self._store.write() as work:
                yield work
                candidate = self._compiler.compile(work.state(), self._slot.current())
                self._refuse_new_faults(candidate)
            self._swap(candidate.snapshot)

    def refresh(self) -> None:
        """Put the newest state in force, if it is not.  Raises StoreUnreachable."""
        with self._one_at_a_time:
            self._refresh()

    def catch_up(self) -> None:
        """As `refresh`; what is in force stays so while the database does not answer.

        It is not asked here before `refresh` has found it again: a server that is gone without a word costs whoever
        asks some seconds, and requests that need no database must not wait for it.
        """
        if self._away is not None:
            return
        with self._one_at_a_time, suppress(StoreUnreachable):
            if self._away is None:  # else somebody else has found out meanwhile
                self._refresh()

    def adopt(self, state: State) -> None:
        """Put a state in force that did not come from the store."""
        with self._one_at_a_time:
            self._swap(self._compiler.compile(state, self._slot.current()).snapshot)

    def recompile(self) -> None:
        """Compile the state in force again: what it is bound to has changed."""
        with self._one_at_a_time:
            self._swap(self._compiler.compile(self._slot.current().state, self._slot.current()).snapshot)

    def _refresh(self) -> None:
        state = self._newest()
        if state is not None:
            self._swap(self._compiler.compile(state, self._slot.current()).snapshot)

    def _newest(self) -> State | None:
        """The newest state; None if it is in force."""
        try:
            with self._store.read() as work:
                state = None if work.revision() == self._slot.current().revision else work.state()
        except StoreUnreachable as problem:
            self._away = problem
            raise
        self._away = None
        return state

    def _refuse_new_faults(self, candidate: Compiled) -> None:
        serving = self._slot.current().endpoints
        for name, problems in candidate.faults.items():
            if name in serving and serving[name].problem is None:
                told = "; ".join(f"{field}: {what}" for field, what in problems)
                raise InvalidParameter(f"the endpoint '{name}' could not be served any more: {told}")

    def _swap(self, snapshot: Snapshot) -> None:
        self._slot.swap(snapshot)
        for told in self.published:
            told(snapshot)
