"""What is published is what was committed, whoever publishes at the same time."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from cloche.control.publish import Publisher
from cloche.control.tokens import Tokens
from cloche.domain.access import Token, digest
from cloche.snapshot import Slot, Snapshot
from cloche.store.database import Store, open_store


class SlowFirstRead:
    """The token table, whose first reader dawdles between reading and using what it read."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.reading = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def active(self, now_ms: int) -> dict[bytes, Token]:
        """As the real one."""
        found: dict[bytes, Token] = self._table.active(now_ms)
        if not self.reading.is_set():
            self.reading.set()
            time.sleep(0.3)
        return found


def test_a_revoked_token_does_not_come_back(tmp_path: Path) -> None:
    """A publication that read before a revocation does not put its older picture in force after it."""
    store: Store = open_store(tmp_path)
    try:
        table = SlowFirstRead(store.tokens)
        slot = Slot(Snapshot(0, {}, {}))
        publisher = Publisher(slot, msgspec.structs.replace(store, tokens=table), lambda: 0)
        value, token = Tokens(store, lambda: None, lambda: 0).create("admin")
        first = threading.Thread(target=publisher.publish)
        first.start()
        assert table.reading.wait(5)
        Tokens(store, publisher.publish, lambda: 0).revoke(token.id)
        first.join(5)
        assert digest(store.key, value) not in slot.current().tokens
    finally:
        store.close()
