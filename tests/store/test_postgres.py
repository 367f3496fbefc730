"""What PostgreSQL does that a file cannot: it goes away, and it is reached with a password."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.store.database import Store, StoreUnreachable, StoreUnusable, open_store
from databases import MASTER_KEYS, Postgres

PASSWORD = "canary-0123"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of this module's own, which its tests may stop and start."""
    own = Postgres()
    try:
        own.start()
        yield own
    finally:
        own.remove()


def said(error: BaseException) -> str:
    """Everything that an error says, to callers and to the log."""
    return f"{error} {getattr(error, 'summary', '')}"


@pytest.mark.parametrize("where", ["127.0.0.1:1/db", "127.0.0.1:1/db?password=" + PASSWORD, "/db?host=/nowhere"])
def test_a_server_that_is_not_there_is_told_quickly(tmp_path: Path, where: str) -> None:
    """At start, as everywhere: within a second, with the reason for the log, without the password."""
    began = time.monotonic()
    with pytest.raises(StoreUnreachable) as caught:
        open_store(tmp_path, MASTER_KEYS, f"postgresql://user:{PASSWORD}@{where}")
    assert time.monotonic() - began < 3
    assert PASSWORD not in said(caught.value)
    assert "does not answer" in caught.value.summary
    assert (caught.value.status, caught.value.retry_after) == (503, 5)


@pytest.mark.parametrize("where", ["h:port/db", "h/db?no_such=1", "[::1/db", "h/%zz"])
def test_a_url_that_is_none_is_refused_without_its_password(tmp_path: Path, where: str) -> None:
    """What is wrong is said in general words, for libpq's own quote the URL."""
    with pytest.raises(StoreUnusable, match="postgresql://USER") as caught:
        open_store(tmp_path, MASTER_KEYS, f"postgresql://user:{PASSWORD}@{where}")
    assert PASSWORD not in said(caught.value)


def test_without_the_driver_the_extra_is_named(tmp_path: Path) -> None:
    """Where psycopg is not installed, the error says what to install."""
    script = (
        "import sys, pathlib; sys.modules['psycopg'] = None; from cloche.store.database import open_store\n"
        "try: open_store(pathlib.Path(sys.argv[1]), [b'k' * 32], 'postgresql://h/d')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("StoreUnusable")
    assert "'.[postgres]'" in done.stdout


def test_a_store_outlives_its_server(tmp_path: Path, server: Postgres) -> None:
    """While the server is stopped every use says so at once, and afterwards the same store works again."""
    store = open_store(tmp_path, MASTER_KEYS, server.fresh())
    server.stop()
    try:
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(StoreUnreachable), store.write():
                pass
            with pytest.raises(StoreUnreachable), store.read():
                pass
            assert time.monotonic() - began < 3
    finally:
        server.start()
    with store.write() as work:
        assert work.revision() == 2
    store.close()


def test_a_server_that_stands_still_is_given_up(
    tmp_path: Path, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine still acknowledges what is sent, and it keeps no limit of its own: the answer is waited for here, and
    not for ever."""
    monkeypatch.setattr("cloche.store.postgres.ANSWER_SECONDS", 1.0)
    store = open_store(tmp_path, MASTER_KEYS, server.fresh())
    try:
        with pytest.raises(StoreUnreachable) as caught, store.read() as work, server.standing_still():
            work.revision()
        assert "no answer within 1 s" in caught.value.summary
        with store.write() as work:
            assert work.revision() == 2
    finally:
        store.close()


def test_a_database_without_its_tables_is_away(tmp_path: Path, server: Postgres) -> None:
    """As while a copy is restored: not a defect of ours, and it ends when the tables are there again."""
    store = open_store(tmp_path, MASTER_KEYS, server.fresh())
    with store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE revision RENAME TO aside")
    with pytest.raises(StoreUnreachable) as caught:
        store.state()
    assert "cannot be used as it is" in caught.value.summary
    with store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE aside RENAME TO revision")
    assert store.state().revision == 1
    store.close()


def test_a_cut_in_the_middle_of_a_change_undoes_it(tmp_path: Path, server: Postgres) -> None:
    """The server goes while a change is under way: it is refused, and nothing of it is there afterwards."""
    store = open_store(tmp_path, MASTER_KEYS, server.fresh())

    def change() -> None:
        with store.write() as work:
            work.meta.put("word", "half")
            server.stop()
            server.start()
            work.meta.put("other", "half")

    with pytest.raises(StoreUnreachable):
        change()
    with store.read() as work:
        assert (work.revision(), work.meta.get("word")) == (1, None)
    store.close()


def test_a_store_can_begin_without_its_database(tmp_path: Path, server: Postgres) -> None:
    """Made while the server is stopped, it works as soon as that is there, after bringing it to the newest revision."""
    url = server.fresh(migrated=False)
    first = open_store(tmp_path, MASTER_KEYS, url)
    server.stop()
    try:
        store = Store.unreached(tmp_path, MASTER_KEYS, first.sealed_token_key, url)
        assert store.key == first.key
        with pytest.raises(StoreUnreachable), store.read():
            pass
    finally:
        server.start()
    with store.read() as work:
        assert work.revision() == 1
    store.close()
    first.close()


def test_a_store_that_finds_another_database_does_not_use_it(tmp_path: Path, server: Postgres) -> None:
    """The key that digests were kept under must be that of the database that comes back."""
    first = open_store(tmp_path, MASTER_KEYS, server.fresh())
    store = Store.unreached(tmp_path, MASTER_KEYS, first.sealed_token_key, server.fresh())
    with pytest.raises(StoreUnreachable) as caught, store.write():
        pass
    assert "another one" in caught.value.summary
    store.close()
    first.close()
