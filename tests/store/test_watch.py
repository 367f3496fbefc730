"""Changes of other processes are heard of, soon, and again after the database was away."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.store.database import Store, open_store
from cloche.store.watch import Changes
from databases import MASTER_KEYS, Postgres

CHANGE = """
import pathlib, sys
from cloche.store.database import open_store
store = open_store(pathlib.Path(sys.argv[1]), (b"\\x01" * 32,), sys.argv[2] or None)
print(flush=True)
for line in sys.stdin:
    with store.write():
        pass
    print(flush=True)
"""


@pytest.fixture
def changes(store: Store) -> Iterator[Changes]:
    """What tells of changes, after its first word, which it says when it has connected."""
    told = store.changes()
    assert told.wait(5)
    yield told
    told.close()


@pytest.fixture
def other(store: Store, tmp_path: Path, database_url: str | None) -> Iterator[subprocess.Popen[str]]:
    """Another process, which makes a change for each line that it is given."""
    command = [sys.executable, "-c", CHANGE, str(tmp_path), database_url or ""]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.stdin.close()
        process.wait(10)


def test_a_change_of_another_process_is_seen(changes: Changes, other: subprocess.Popen[str]) -> None:
    """Each change is told of within a second of its being committed."""
    assert other.stdin is not None
    assert other.stdout is not None
    for _ in range(3):
        other.stdin.write("change\n")
        other.stdin.flush()
        other.stdout.readline()
        began = time.monotonic()
        assert changes.wait(10)
        assert time.monotonic() - began < 1


def test_without_a_change_the_time_passes(changes: Changes) -> None:
    """Waiting ends when the time is over, and not before, with nothing to say."""
    changes.wait(0.3)
    began = time.monotonic()
    assert not changes.wait(0.4)
    assert 0.35 < time.monotonic() - began < 5


def test_closing_ends_a_wait(store: Store) -> None:
    """Who waits is let go at once, is told nothing, and may go on asking."""
    changes = store.changes()
    changes.wait(1)
    changes.wait(0.2)
    heard: list[bool] = []
    waiting = threading.Thread(target=lambda: heard.append(changes.wait(30)))
    waiting.start()
    time.sleep(0.1)
    began = time.monotonic()
    changes.close()
    waiting.join(10)
    assert heard == [False]
    assert time.monotonic() - began < 2
    assert not changes.wait(1)
    changes.close()


def test_waiting_costs_next_to_nothing(changes: Changes) -> None:
    """A second of waiting takes less than a fiftieth of a second of work."""
    changes.wait(0.3)
    began = time.thread_time()
    changes.wait(1)
    assert time.thread_time() - began < 0.02


def test_changes_are_seen_again_after_the_server_was_away(tmp_path: Path) -> None:
    """Stopped and started again, without a word to who waits: it is told when it is worth looking, and of the next
    change."""
    server = Postgres()
    try:
        server.start()
        store = open_store(tmp_path, MASTER_KEYS, server.fresh())
        changes = store.changes()
        assert changes.wait(5)
        server.stop()
        assert not changes.wait(0.5)
        server.start()
        assert changes.wait(10)
        assert not changes.wait(0.2)
        with store.write():
            pass
        assert changes.wait(1)
        changes.close()
        store.close()
    finally:
        server.remove()


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    """A database that comes later is told of when it is there."""
    store = open_store(tmp_path, MASTER_KEYS)
    away = tmp_path / "away.db"
    store.close()
    (tmp_path / "cloche.db").rename(away)
    changes = store.changes()
    assert not changes.wait(0.3)
    away.rename(tmp_path / "cloche.db")
    assert changes.wait(5)
    changes.close()
