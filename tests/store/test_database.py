"""The database on a real file: made, migrated, opened again, shared, and refused when it is not ours to touch."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from cloche.control.health import database_state
from cloche.domain.access import Token
from cloche.store import migrate
from cloche.store.database import NEWEST, StoreUnusable, open_store, revision
from cloche.store.tables import metadata


def statement(home: Path, sql: str) -> list[tuple[object, ...]]:
    """Run one statement on the file behind the store's back."""
    connection = sqlite3.connect(home / "cloche.db")
    try:
        with connection:
            return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_a_new_home_gets_a_database_at_the_newest_revision(tmp_path: Path) -> None:
    """From nothing: tables as declared, newest revision, files that others cannot read."""
    assert revision(tmp_path) is None
    open_store(tmp_path).close()
    assert revision(tmp_path) == NEWEST == migrate.history()[0]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert {path.name for path in tmp_path.iterdir()} >= {"cloche.db", "token.key"}


def test_migrations_make_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    """Columns, types and constraints of the migrated file are those in `tables.py`."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    store = open_store(tmp_path)
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    store.close()


def test_what_was_kept_is_there_after_opening_again(tmp_path: Path) -> None:
    """A token outlives the process, under the same key."""
    first = open_store(tmp_path)
    first.tokens.add(Token("a", "admin", "laptop", 1, None), b"d" * 32)
    first.close()
    again = open_store(tmp_path)
    assert again.key == first.key
    assert again.tokens.active(0) == {b"d" * 32: Token("a", "admin", "laptop", 1, None)}
    again.close()


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A revision that this version does not know is named in the refusal, with what to do."""
    open_store(tmp_path).close()
    statement(tmp_path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreUnusable, match=r"revision 9999.*newer cloche"):
        open_store(tmp_path)
    assert revision(tmp_path) == "9999"
    assert database_state(tmp_path).problem == "a newer cloche has used this database"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Garbage in the database's place is named, not traced."""
    (tmp_path / "cloche.db").write_bytes(b"garbage " * 1000)
    with pytest.raises(StoreUnusable, match="not a database"):
        open_store(tmp_path)
    assert "not a database" in str(database_state(tmp_path).problem)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The key must be private."""
    open_store(tmp_path).close()
    (tmp_path / "token.key").chmod(0o640)
    with pytest.raises(StoreUnusable, match="chmod 600"):
        open_store(tmp_path)


@pytest.mark.parametrize("key", [b"", b"short", b"x" * 33])
def test_a_damaged_key_is_refused(tmp_path: Path, key: bytes) -> None:
    """A cut or grown key file is not used."""
    open_store(tmp_path).close()
    (tmp_path / "token.key").write_bytes(key)
    with pytest.raises(StoreUnusable, match="32 bytes"):
        open_store(tmp_path)


def test_another_key_is_refused(tmp_path: Path) -> None:
    """With a key that is not the database's, every token would be refused: say so at start instead."""
    open_store(tmp_path).close()
    (tmp_path / "token.key").unlink()
    with pytest.raises(StoreUnusable, match="not the key"):
        open_store(tmp_path)


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    """Four processes opening an empty home together get one database and one key."""
    script = (
        "import sys, pathlib; from cloche.store import migrate; from cloche.store.database import open_store;"
        "print(flush=True); sys.stdin.readline();"  # all have imported what they need before any goes on
        "store = open_store(pathlib.Path(sys.argv[1])); print(store.key.hex()); store.close()"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=60)[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0, 0]
    assert len(keys) == 1


def test_a_failed_migration_leaves_nothing_behind(tmp_path: Path) -> None:
    """A migration that stops half-way is rolled back, tables and all."""
    statement(tmp_path, "CREATE TABLE meta (in_the_way TEXT)")
    with pytest.raises(StoreUnusable):
        open_store(tmp_path)
    assert statement(tmp_path, "SELECT name FROM sqlite_master WHERE type = 'table'") == [("meta",)]


def test_durability_is_set_on_every_connection(tmp_path: Path) -> None:
    """WAL and synchronous=FULL (2) are in force, not only asked for."""
    store = open_store(tmp_path)
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    store.close()
