"""The thread that keeps a process at the newest state, whatever happens to the database."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloche.control import follow
from cloche.control.compiling import Compiler
from cloche.control.follow import Follower, Uses
from cloche.control.publish import Publisher
from cloche.control.tokens import Tokens
from cloche.domain.access import ADMIN, ADMIN_ID, Caller, Principal
from cloche.domain.outbound import Timeouts
from cloche.domain.state import State
from cloche.snapshot import LocalModel, Slot, Snapshot
from cloche.store.database import Store, open_store
from cloche.store.errors import StoreUnreachable
from databases import MASTER_KEYS, Postgres

CALLER = Caller(Principal(ADMIN_ID, ADMIN, admin=True))


def no_model(name: str) -> LocalModel:
    """No endpoint here has a local model."""
    raise AssertionError(name)


def publisher_of(store: Store) -> Publisher:
    """What a process has, with a database."""
    publisher = Publisher(Slot(Snapshot(0, {}, {})), store, Compiler(store.sealer.open, no_model, Timeouts()))
    publisher.refresh()
    return publisher


def now_ms() -> int:
    """The clock."""
    return time.time_ns() // 1_000_000


def until(holds: Callable[[], object], seconds: float = 20.0) -> float:
    """Wait until it holds; how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began


class Written:
    """Takes what would be written down."""

    def __init__(self) -> None:
        self.times: dict[str, int] = {}
        self.kept: list[State] = []
        self.away = False

    def note(self, times: Mapping[str, int]) -> None:
        """Write down when tokens were used, if the database is there."""
        if self.away:
            raise StoreUnreachable("away")
        self.times |= times


@contextmanager
def following(publisher: Publisher, used: dict[str, int], written: Written) -> Iterator[Follower]:
    """A process that follows."""
    follower = Follower(publisher, publisher.store.changes(), Uses(used, written.note), written.kept.append)
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


def test_a_change_of_another_process_is_followed_within_a_second(
    store: Store, tmp_path: Path, database_url: str | None
) -> None:
    """What another process makes is in force here soon, and what it revokes is not any more."""
    other_store = open_store(tmp_path, MASTER_KEYS, database_url)
    try:
        here, other = publisher_of(store), publisher_of(other_store)
        tokens = Tokens(other, now_ms)
        with following(here, {}, Written()):
            for _ in range(3):
                _, token = tokens.create(CALLER)
                made = until(lambda: any(grant.token_id == token.id for grant in here.current().tokens.values()))  # noqa: B023
                tokens.revoke(CALLER, token.id)
                ended = until(lambda: all(grant.token_id != token.id for grant in here.current().tokens.values()))  # noqa: B023
                assert made < 1.5
                assert ended < 1.5
    finally:
        other_store.close()


def test_a_state_is_kept_when_it_has_changed(store: Store) -> None:
    """Each new state is kept soon, but a burst of changes is not kept one by one; at the end the newest one is."""
    publisher, written = publisher_of(store), Written()
    tokens = Tokens(publisher, now_ms)
    with following(publisher, {}, written):
        for _ in range(10):
            tokens.create(CALLER)
    assert written.kept[-1] == publisher.current().state
    assert len(written.kept) < 10


def test_last_uses_are_written_down_and_none_is_lost(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Last-use times go to the database; while it is away they stay, and a newer one is not overwritten."""
    monkeypatch.setattr(follow, "NOTE_SECONDS", 0.0)
    publisher, written, used = publisher_of(store), Written(), {"a": 1, "b": 2}
    written.away = True
    uses = Uses(used, written.note)
    with pytest.raises(StoreUnreachable):
        uses.write_down()
    assert used == {"a": 1, "b": 2}
    used["a"] = 5
    written.away = False
    with following(publisher, used, written):
        until(lambda: written.times == {"a": 5, "b": 2})
        assert used == {}


def test_an_outage_is_survived_and_told_twice(
    postgres: Postgres, postgres_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While the database is stopped what was published stays; when it is back changes are followed again, and the log
    has one line for each of the two."""
    caplog.set_level(logging.INFO, "cloche.control")
    store, other_store = (open_store(tmp_path, MASTER_KEYS, postgres_url) for _ in range(2))
    try:
        here = publisher_of(store)
        Tokens(publisher_of(other_store), now_ms).create(CALLER)
        with following(here, {}, Written()):
            until(lambda: len(here.current().tokens) == 1)
            postgres.stop()
            until(lambda: "does not answer" in caplog.text)
            time.sleep(1.2)
            assert len(here.current().tokens) == 1
            postgres.start()
            until(lambda: "answers again" in caplog.text)
            Tokens(publisher_of(other_store), now_ms).create(CALLER)
            until(lambda: len(here.current().tokens) == 2)
        assert caplog.text.count("does not answer") == 1
        assert caplog.text.count("answers again") == 1
    finally:
        store.close()
        other_store.close()
        postgres.stop()
        postgres.start()
