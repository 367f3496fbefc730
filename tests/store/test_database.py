"""The database, of each kind: made, migrated, opened again, shared, and refused when it is not ours to touch."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from cloche.control.health import database_state
from cloche.domain.access import Token
from cloche.domain.errors import InvalidParameter
from cloche.store import fresh, migrate
from cloche.store.database import NEWEST, Store, StoreUnreachable, StoreUnusable, database_at, open_store, revision
from cloche.store.sealing import CannotOpen
from cloche.store.tables import metadata
from databases import MASTER_KEYS

OPEN = """
import pathlib, sys
from cloche.store import fresh, migrate
from cloche.store.database import open_store
home, url = pathlib.Path(sys.argv[1]), sys.argv[2] or None
print(flush=True)
sys.stdin.readline()  # all have imported what they need before any goes on
store = open_store(home, (b"\\x01" * 32,), url)
"""

SQLITE_TRIGGERS = "SELECT sql FROM sqlite_master WHERE type = 'trigger'"
POSTGRES_TRIGGERS = (
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal UNION ALL "
    "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest) -> str | None:
    """Where a database is to be made from nothing, on each kind in turn."""
    return None if request.param == "sqlite" else str(request.getfixturevalue("empty_postgres_url"))


def run_together(script: str, count: int, home: Path, url: str | None) -> list[str]:
    """What each of several processes prints that begin a script together; all must end well."""
    command = [sys.executable, "-c", OPEN + script, str(home), url or ""]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0] * count
    return printed


def execute(home: Path, url: str | None, *statements: str) -> None:
    """Run statements behind the store's back."""
    database = database_at(home, url)
    database.make()
    try:
        with database.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
    finally:
        database.engine.dispose()


def test_an_empty_database_is_brought_to_the_newest_revision(tmp_path: Path, empty_url: str | None) -> None:
    """From nothing: first not there, then at the newest revision, and one look does not make it."""
    assert revision(tmp_path, empty_url) is None
    assert list(tmp_path.iterdir()) == []
    open_store(tmp_path, MASTER_KEYS, empty_url).close()
    assert revision(tmp_path, empty_url) == NEWEST == migrate.history()[0]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} <= {0o600}


def migrated(home: Path, url: str | None) -> None:
    """Bring an empty database through its whole history."""
    database = database_at(home, url)
    database.make()
    migrate.upgrade(database.engine)
    database.engine.dispose()


def told(home: Path, url: str | None) -> dict[str, object]:
    """Everything about a database but the time at which it was made: tables, rows, triggers and functions."""
    database = database_at(home, url)
    with database.reading.connect() as connection:
        found: dict[str, object] = {}
        seen = inspect(connection)
        for name in seen.get_table_names():
            columns = {each["name"]: repr(each) for each in seen.get_columns(name)}
            keys = seen.get_pk_constraint(name), seen.get_unique_constraints(name), seen.get_indexes(name)
            rows = connection.execute(text(f"SELECT * FROM {name}")).mappings()
            values = sorted(repr(sorted(row.items() - {("created_at", row.get("created_at"))})) for row in rows)
            found[name] = columns, repr(keys), values
        catalogue = SQLITE_TRIGGERS if url is None else POSTGRES_TRIGGERS
        found["triggers"] = sorted(connection.execute(text(catalogue)).scalars())
    database.engine.dispose()
    return found


def test_a_database_from_nothing_is_as_the_migrations_make_it(
    request: pytest.FixtureRequest, tmp_path: Path, empty_url: str | None
) -> None:
    """What a first start makes at once has no table, column, index, trigger or row that an upgraded one lacks, nor
    lacks any."""
    old, new = tmp_path / "old", tmp_path / "new"
    for home in (old, new):
        home.mkdir()
    database = database_at(new, empty_url)
    database.make()
    with database.engine.begin() as connection:
        fresh.make(connection, NEWEST)
    database.engine.dispose()
    if empty_url is None:
        migrated(old, None)
        upgraded_url = None
    else:
        upgraded_url = str(request.getfixturevalue("postgres_url"))
    made, upgraded = told(new, empty_url), told(old, upgraded_url)
    assert made == upgraded
    assert made["triggers"]


def test_migrations_make_the_tables_that_the_code_uses(tmp_path: Path, empty_url: str | None) -> None:
    """Columns, types, indexes and constraints of the migrated database are those in `tables.py`."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    migrated(tmp_path, empty_url)
    database = database_at(tmp_path, empty_url)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.engine.dispose()


def test_what_was_kept_is_there_after_opening_again(tmp_path: Path, database_url: str | None) -> None:
    """A token outlives the process, under the same key."""
    token = Token("a", "1", "laptop", 1, None)
    first = open_store(tmp_path, MASTER_KEYS, database_url)
    with first.write() as work:
        work.tokens.add(token, b"d" * 32)
    first.close()
    again = open_store(tmp_path, MASTER_KEYS, database_url)
    assert again.key == first.key
    with again.read() as work:
        assert work.tokens.by_digest() == [(b"d" * 32, token)]
    again.close()


def test_another_master_key_is_refused(tmp_path: Path, database_url: str | None) -> None:
    """With a master key that is not the database's, nothing would open: say so at start instead."""
    open_store(tmp_path, MASTER_KEYS, database_url).close()
    with pytest.raises(CannotOpen, match="master key"):
        open_store(tmp_path, [b"\x02" * 32], database_url)


def test_what_the_database_cannot_keep_is_the_callers_fault(tmp_path: Path, postgres_url: str) -> None:
    """PostgreSQL has no NUL in texts: who sends one is told so, whether it would be kept or looked for."""
    store = open_store(tmp_path, MASTER_KEYS, postgres_url)
    with pytest.raises(InvalidParameter, match="cannot be kept"), store.read() as work:
        work.secrets.scope("\0")
    with pytest.raises(InvalidParameter, match="cannot be kept"), store.write() as work:
        work.tokens.add(Token("t", "1", "\0", 0), b"d" * 32)
    store.close()


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path, database_url: str | None) -> None:
    """A revision that this version does not know is named in the refusal, with what to do."""
    open_store(tmp_path, MASTER_KEYS, database_url).close()
    execute(tmp_path, database_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreUnusable, match=r"revision 9999.*newer cloche"):
        open_store(tmp_path, MASTER_KEYS, database_url)
    assert revision(tmp_path, database_url) == "9999"
    assert database_state(tmp_path, database_url).problem == "a newer cloche has used this database"


def test_tokens_of_version_0_1_go_on_working(tmp_path: Path, empty_url: str | None) -> None:
    """Upgraded from revision 0001 with its key in a file: the same digests under the same key, for the same person."""
    from alembic import command

    database = database_at(tmp_path, empty_url)
    database.make()
    config = migrate._config()
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    with database.engine.begin() as connection:
        row = {"digest": b"d" * 32}
        connection.execute(text("INSERT INTO tokens VALUES ('a', :digest, 'admin', 'old', 1, NULL)"), row)
    database.engine.dispose()
    (tmp_path / "token.key").write_bytes(b"\x07" * 32)
    store = open_store(tmp_path, MASTER_KEYS, empty_url)
    (tmp_path / "token.key").unlink()
    again = open_store(tmp_path, MASTER_KEYS, empty_url)
    assert store.key == again.key == b"\x07" * 32
    assert store.state().tokens == ((b"d" * 32, Token("a", "1", "old", 1)),)
    assert [identity.name for identity in store.state().identities] == ["admin"]
    store.close()
    again.close()


def test_processes_that_start_at_once_agree(tmp_path: Path, empty_url: str | None) -> None:
    """Four processes opening an empty database together get one database and one key."""
    assert len(set(run_together("print(store.key.hex())", 4, tmp_path, empty_url))) == 1


def test_a_failed_migration_leaves_nothing_behind(tmp_path: Path, empty_url: str | None) -> None:
    """A migration that stops half-way is rolled back, tables and all."""
    execute(tmp_path, empty_url, "CREATE TABLE audit (in_the_way TEXT)")
    with pytest.raises((StoreUnusable, StoreUnreachable)):
        open_store(tmp_path, MASTER_KEYS, empty_url)
    assert revision(tmp_path, empty_url) is None


def test_changes_take_turns_in_one_process(store: Store) -> None:
    """Eight threads that each read a number and write one more, twenty times, lose nothing."""

    def count() -> None:
        for _ in range(20):
            with store.write() as work:
                work.meta.put("count", str(int(work.meta.get("count") or 0) + 1))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with store.read() as work:
        assert (work.meta.get("count"), work.revision()) == ("160", 161)


def test_changes_of_several_processes_take_turns(tmp_path: Path, database_url: str | None) -> None:
    """Three processes that do the same, and change without publishing in between, wait for each other."""
    script = """
for _ in range(20):
    with store.write() as work:
        work.meta.put("count", str(int(work.meta.get("count") or 0) + 1))
    with store.write(publish=False) as work:
        work.meta.get("count")
        work.meta.put("last", "x")
"""
    open_store(tmp_path, MASTER_KEYS, database_url).close()
    run_together(script, 3, tmp_path, database_url)
    store = open_store(tmp_path, MASTER_KEYS, database_url)
    with store.read() as work:
        assert (work.meta.get("count"), work.revision()) == ("60", 61)
    store.close()


def test_a_reading_sees_one_moment(store: Store) -> None:
    """What is committed while a reading goes on is not seen by it, in any of its statements."""
    with store.read() as looking:
        before = looking.revision()
        with store.write() as work:
            work.meta.put("word", "new")
        assert (looking.revision(), looking.meta.get("word")) == (before, None)
    with store.read() as looking:
        assert (looking.revision(), looking.meta.get("word")) == (before + 1, "new")


def test_a_change_that_fails_leaves_nothing(store: Store) -> None:
    """An exception in the block undoes all of it, the revision too."""
    with pytest.raises(ZeroDivisionError), store.write() as work:
        work.meta.put("word", str(1 // 0))
    with store.read() as work:
        assert (work.revision(), work.meta.get("word")) == (1, None)


@pytest.mark.parametrize("change", ["UPDATE audit SET action = 'x'", "DELETE FROM audit"])
def test_the_audit_log_cannot_be_rewritten(tmp_path: Path, database_url: str | None, change: str) -> None:
    """The database itself refuses to change what was noted."""
    store = open_store(tmp_path, MASTER_KEYS, database_url)
    store.close()
    note = "INSERT INTO audit (at, principal_id, principal, address, request_id, action, target) "
    with pytest.raises(DBAPIError, match="append-only"):
        execute(tmp_path, database_url, note + "VALUES (1, '1', 'admin', '', '', 'x', 'y')", change)


# -------------------------------------------------------------------- SQLite alone


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Garbage in the database's place is named, not traced."""
    (tmp_path / "cloche.db").write_bytes(b"garbage " * 1000)
    with pytest.raises(StoreUnusable, match="not a database"):
        open_store(tmp_path, MASTER_KEYS)
    assert "not a database" in str(database_state(tmp_path).problem)


def test_a_file_that_is_damaged_under_a_server_is_away(tmp_path: Path) -> None:
    """What was published goes on, as with a database that does not answer, and the log may say what it is."""
    open_store(tmp_path, MASTER_KEYS).close()
    store = open_store(tmp_path, MASTER_KEYS)
    (tmp_path / "cloche.db").write_bytes(b"garbage " * 1000)
    with pytest.raises(StoreUnreachable) as caught:
        store.state()
    assert "cannot be used as it is" in caught.value.summary
    store.close()


def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A home that is not there is named with the reason."""
    with pytest.raises(StoreUnusable, match=r"nowhere.*No such file"):
        open_store(tmp_path / "nowhere", MASTER_KEYS)


def test_a_database_that_was_taken_away_is_not_made_again(tmp_path: Path) -> None:
    """When the file vanishes under a server, changes are refused: an empty database would let nobody in."""
    home = tmp_path / "home"
    home.mkdir()
    store = open_store(home, MASTER_KEYS)
    store.close()
    shutil.rmtree(home)
    home.mkdir()
    with pytest.raises(StoreUnreachable), store.write():
        pass
    assert list(home.iterdir()) == []


def test_a_writer_waits_for_another(tmp_path: Path) -> None:
    """A change that finds the file locked by another process goes on when that one is done."""
    store = open_store(tmp_path, MASTER_KEYS)
    other = sqlite3.connect(tmp_path / "cloche.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.5, lambda: other.execute("COMMIT")).start()
    with store.write() as work:
        assert work.revision() == 2
    other.close()
    store.close()


def test_durability_is_set_on_every_connection(tmp_path: Path) -> None:
    """WAL and synchronous=FULL (2) are in force, not only asked for."""
    store = open_store(tmp_path, MASTER_KEYS)
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    store.close()


def test_other_databases_are_refused(tmp_path: Path) -> None:
    """Only PostgreSQL and the file in the home are known, and the URL is not repeated."""
    with pytest.raises(StoreUnusable, match="postgresql://") as caught:
        open_store(tmp_path, MASTER_KEYS, "mysql://u:canary@h/db")
    assert not re.search("canary", str(caught.value))
