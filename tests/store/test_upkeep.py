"""Copies of a database file: consistent while it is written to, put back whole or not at all."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from cloche.store import snapshot_file
from cloche.store.database import StoreUnusable, open_store
from cloche.store.home_lock import HomeInUse, HomeLock
from cloche.store.upkeep import backup, flaws, restore
from databases import MASTER_KEYS


def put(home: Path, word: str) -> None:
    """Keep a word in the database of a home."""
    store = open_store(home, MASTER_KEYS)
    with store.write() as work:
        work.meta.put("word", word)
    store.close()


def word(home: Path) -> str | None:
    """The word that is kept."""
    store = open_store(home, MASTER_KEYS)
    with store.read() as work:
        kept = work.meta.get("word")
    store.close()
    return kept


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a database that keeps the word `new`, and a copy beside it from when that was `old`."""
    made = tmp_path / "home"
    made.mkdir()
    put(made, "old")
    backup(made, tmp_path / "copy.db")
    put(made, "new")
    return made


def test_a_copy_is_one_private_file(home: Path) -> None:
    """Nothing lies beside it, and nobody else may read it."""
    copy = home.parent / "copy.db"
    assert {path.name for path in home.parent.iterdir()} == {"home", "copy.db"}
    assert copy.stat().st_mode & 0o777 == 0o600
    assert flaws(copy) == []


def test_a_copy_made_while_changes_go_on_is_one_moment(home: Path, tmp_path: Path) -> None:
    """While another thread changes two rows together without a pause, every copy has both or neither."""
    store = open_store(home, MASTER_KEYS)
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with store.write() as work:
                work.meta.put("left", str(number))
                work.meta.put("right", str(number))

    changing = threading.Thread(target=change)
    changing.start()
    seen = set()
    try:
        for number in range(5):
            elsewhere = tmp_path / f"elsewhere-{number}"
            elsewhere.mkdir()
            backup(home, elsewhere / "cloche.db")
            copy = open_store(elsewhere, MASTER_KEYS)
            with copy.read() as work:
                assert work.meta.get("left") == work.meta.get("right")
                seen.add(work.meta.get("left"))
            copy.close()
    finally:
        stop.set()
        changing.join(10)
        store.close()
    assert len(seen) > 1


def test_a_copy_is_put_back(home: Path, tmp_path: Path) -> None:
    """The old word is there again, the database that was there is kept, and no state of a later time."""
    (home / snapshot_file.FILE).write_bytes(b"later")
    aside = restore(home, tmp_path / "copy.db", 17)
    assert word(home) == "old"
    assert aside == home / "cloche.db.before-17"
    assert not (home / snapshot_file.FILE).exists()
    (tmp_path / "aside").mkdir()
    aside.rename(tmp_path / "aside" / "cloche.db")
    assert word(tmp_path / "aside") == "new"


def test_a_copy_makes_a_new_home(home: Path, tmp_path: Path) -> None:
    """Where there was no database, there is one, with mode 0600."""
    (tmp_path / "fresh").mkdir()
    assert restore(tmp_path / "fresh", tmp_path / "copy.db", 1) is None
    assert word(tmp_path / "fresh") == "old"
    assert (tmp_path / "fresh" / "cloche.db").stat().st_mode & 0o777 == 0o600


def test_a_damaged_database_can_be_replaced(home: Path, tmp_path: Path) -> None:
    """What is in the way need not be whole; it is kept as it was."""
    (home / "cloche.db").write_bytes(b"garbage" * 1000)
    aside = restore(home, tmp_path / "copy.db", 1)
    assert word(home) == "old"
    assert aside is not None
    assert aside.read_bytes().startswith(b"garbage")


def test_nothing_is_put_back_under_a_server(home: Path, tmp_path: Path) -> None:
    """While a server has the home, the copy is refused with the process's number."""
    with HomeLock(home), pytest.raises(HomeInUse, match="process"):
        restore(home, tmp_path / "copy.db", 1)
    assert word(home) == "new"


def damaged(copy: Path) -> None:
    """Write over a page in the middle."""
    data = bytearray(copy.read_bytes())
    data[8192:12288] = b"\xff" * 4096
    copy.write_bytes(data)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no file"),
        (b"", "no database of cloche's"),
        (b"garbage " * 1000, "not a database"),
    ],
)
def test_what_is_no_copy_is_refused(home: Path, tmp_path: Path, content: bytes | None, reason: str) -> None:
    """Nothing is touched for a file that is not there, empty or something else."""
    wrong = tmp_path / "wrong.db"
    if content is not None:
        wrong.write_bytes(content)
    with pytest.raises(StoreUnusable, match=reason):
        restore(home, wrong, 1)
    assert word(home) == "new"


def test_a_damaged_copy_is_refused(home: Path, tmp_path: Path) -> None:
    """A copy with a page of nonsense in it is not put back."""
    damaged(tmp_path / "copy.db")
    with pytest.raises(StoreUnusable, match=r"damaged|malformed|no database"):
        restore(home, tmp_path / "copy.db", 1)
    assert word(home) == "new"


def test_a_copy_of_a_newer_cloche_is_refused(home: Path, tmp_path: Path) -> None:
    """A revision that this version does not know is named."""
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreUnusable, match=r"9999.*newer"):
        restore(home, tmp_path / "copy.db", 1)


def test_a_copy_is_never_written_over(home: Path, tmp_path: Path) -> None:
    """A backup to a file that is there, or in a folder that is not, is refused, and leaves nothing."""
    before = (tmp_path / "copy.db").read_bytes()
    with pytest.raises(StoreUnusable, match="there already"):
        backup(home, tmp_path / "copy.db")
    with pytest.raises(StoreUnusable, match="No such file"):
        backup(home, tmp_path / "nowhere" / "copy.db")
    with pytest.raises(StoreUnusable, match="no database"):
        backup(tmp_path, tmp_path / "new.db")
    assert (tmp_path / "copy.db").read_bytes() == before
