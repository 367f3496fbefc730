"""Where the master key comes from, and how one is replaced while processes run."""

from __future__ import annotations

import base64
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from cloche.control.master_key import MasterKey, follow_file, master_keys
from cloche.control.publish import Publisher
from cloche.control.secret_scopes import SecretScopes
from cloche.domain.access import Caller
from cloche.domain.state import SigningKey
from cloche.settings import Settings, SettingsError, load
from cloche.store.database import TOKEN_KEY, Store, open_store
from cloche.store.key import UnusableKey, existing_keys, keep_newest_key, put_new_key_in_front
from cloche.store.sealing import CannotOpen

from .installation import ADMIN, NOW, audit_log, now_ms, publisher

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def text(*keys: bytes) -> str:
    """Keys as a variable or command gives them."""
    return ",".join(base64.b64encode(key).decode() for key in keys)


def settings(home: Path, **given: Any) -> Settings:
    """Settings with this home."""
    return Settings(home=home, **given)


# ---------------------------------------------------------------- where it comes from


def test_the_file_is_made_at_the_first_start(tmp_path: Path) -> None:
    """Without a setting a key is made in the home, for its owner alone, and is the same at the next start."""
    (made,) = master_keys(settings(tmp_path))
    assert len(made) == 32
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600
    assert master_keys(settings(tmp_path)) == (made,)


def test_the_file_may_lie_elsewhere(tmp_path: Path) -> None:
    """`master_key_file` is used in place of the one in the home."""
    master_keys(settings(tmp_path, master_key_file=tmp_path / "elsewhere"))
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def test_a_variable_may_hold_several_keys(tmp_path: Path) -> None:
    """The newest comes first, and no file is made."""
    assert master_keys(settings(tmp_path, master_key=text(NEW, OLD))) == (NEW, OLD)
    assert list(tmp_path.iterdir()) == []


def test_a_command_prints_the_key(tmp_path: Path) -> None:
    """It is run without a shell, and what it prints is the key."""
    command = f"{sys.executable} -c \"print('{text(NEW)}')\""
    assert master_keys(settings(tmp_path, master_key_command=command)) == (NEW,)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (f"{sys.executable} -c 'import sys; sys.exit(3)'", "failed with exit code 3"),
        (f"{sys.executable} -c \"print('c2VjcmV0')\"", "does not hold a master key: base64 of 32 bytes"),
        (f"{sys.executable} -c pass", "is empty"),
        ("/nonexistent/program", "cannot be run: No such file or directory"),
        ("echo 'x", "not a command line"),
        ("echo hello; true", "does not hold a master key"),
    ],
)
def test_a_command_that_gives_no_key_is_told(tmp_path: Path, command: str, told: str) -> None:
    """The message says what is wrong and shows nothing that the command printed."""
    with pytest.raises(UnusableKey, match=told) as caught:
        master_keys(settings(tmp_path, master_key_command=command))
    assert "c2VjcmV0" not in caught.value.message


def test_a_slow_command_is_not_waited_for(tmp_path: Path) -> None:
    """A start does not hang on a command that never ends."""
    slow = settings(tmp_path, master_key_command=f"{sys.executable} -c 'import time; time.sleep(60)'")
    with pytest.raises(UnusableKey, match="has not ended"):
        master_keys(slow, seconds=0.1)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """Its mode must be private; a folder in its place is told, too."""
    master_keys(settings(tmp_path))
    (tmp_path / "master.key").chmod(0o644)
    with pytest.raises(UnusableKey, match="others may read"):
        master_keys(settings(tmp_path))
    with pytest.raises(UnusableKey, match="Is a directory"):
        master_keys(settings(tmp_path, master_key_file=tmp_path))


def test_the_key_comes_from_one_place(tmp_path: Path) -> None:
    """Two sources are refused before anything starts, and no message and no listing shows the key."""
    given = {"CLOCHE_HOME": str(tmp_path), "CLOCHE_MASTER_KEY": text(NEW)}
    loaded = load({}, given)
    assert loaded.settings.master_key == text(NEW)
    assert text(NEW) not in repr(loaded.settings)
    with pytest.raises(SettingsError, match="can come from one of them only") as caught:
        load({}, given | {"CLOCHE_MASTER_KEY_COMMAND": "cat key"})
    assert text(NEW) not in str(caught.value)
    with pytest.raises(SettingsError, match="base64 of 32 bytes") as caught:
        load({}, given | {"CLOCHE_MASTER_KEY": text(NEW)[:-2]})
    assert text(NEW)[:-2] not in str(caught.value)


# ---------------------------------------------------------------- from one to the next


class Host:
    """A process that serves from a home."""

    def __init__(self, home: Path, url: str | None) -> None:
        self.store: Store = open_store(home, master_keys(settings(home)), url)
        follow_file(self.store, settings(home))
        self.publisher: Publisher = publisher(self.store)
        self.scopes = SecretScopes(self.publisher, now_ms)

    def rewrap(self, caller: Caller = ADMIN) -> tuple[int, str]:
        """Wrap everything with the newest key."""
        return MasterKey(self.publisher, now_ms).rewrap(caller)


def test_a_key_is_replaced_while_processes_run(tmp_path: Path, database_url: str | None) -> None:
    """Everything sealed goes on opening in every process, before, between and after the steps of a rotation."""
    file = tmp_path / "master.key"
    first, second = Host(tmp_path, database_url), Host(tmp_path, database_url)
    try:
        first.scopes.create(ADMIN, "prod")
        first.scopes.put(ADMIN, "prod", "before", b"value")
        with first.store.write() as work:
            work.signing_keys.add(SigningKey("k1", b"{}", first.store.sealer.seal(b"pem", "signing-key k1"), NOW))
        put_new_key_in_front(file)
        second.scopes.put(ADMIN, "prod", "between", b"value")
        assert first.scopes.value(ADMIN, "prod", "between") == b"value"
        count, key_id = first.rewrap()
        assert (count, key_id) == (3, first.store.sealer.current_id.hex())
        assert first.rewrap()[0] == 0
        keep_newest_key(file)
        for host in (first, second, Host(tmp_path, database_url)):
            assert host.scopes.value(ADMIN, "prod", "before") == b"value"
            assert host.store.key == first.store.key
            with host.store.read() as work:
                (key,) = work.signing_keys.all()
            assert host.store.sealer.open(key.sealed, "signing-key k1") == b"pem"
            host.store.close()
    finally:
        first.store.close()
        second.store.close()


def test_a_file_with_another_installations_key_is_refused(tmp_path: Path, database_url: str | None) -> None:
    """A key that nothing is sealed with, in place of the one in use, seals nothing; what was sealed goes on opening."""
    file = tmp_path / "master.key"
    host = Host(tmp_path, database_url)
    own = file.read_bytes()
    host.scopes.create(ADMIN, "prod")
    host.scopes.put(ADMIN, "prod", "key", b"value")
    file.write_text(text(NEW))
    with pytest.raises(CannotOpen, match="nothing here is sealed with"):
        host.scopes.put(ADMIN, "prod", "key", b"other")
    assert host.scopes.value(ADMIN, "prod", "key") == b"value"
    file.write_bytes(own)
    host.scopes.put(ADMIN, "prod", "key", b"other")
    assert host.scopes.value(ADMIN, "prod", "key") == b"other"
    host.store.close()


def test_a_process_that_saw_no_step_of_a_rotation_goes_on(tmp_path: Path, database_url: str | None) -> None:
    """One that knows only the key that is gone takes the new one, with which everything is sealed now.

    Whether it is open already, or opens only now, as a worker does that began while the database did not answer.
    """
    file = tmp_path / "master.key"
    first, second = Host(tmp_path, database_url), Host(tmp_path, database_url)
    late = Store.unreached(tmp_path, existing_keys(file), first.store.sealed_token_key, database_url)
    follow_file(late, settings(tmp_path))
    first.scopes.create(ADMIN, "prod")
    put_new_key_in_front(file)
    first.rewrap()
    keep_newest_key(file)
    second.scopes.put(ADMIN, "prod", "key", b"value")
    assert first.scopes.value(ADMIN, "prod", "key") == b"value"
    late.open()
    assert late.key == first.store.key
    for store in (first.store, second.store, late):
        store.close()


def open_again(home: Path, url: str | None) -> Store:
    """The store, as the next start opens it."""
    return open_store(home, existing_keys(home / "master.key"), url)


def test_the_old_key_alone_is_of_no_use_afterwards(tmp_path: Path, database_url: str | None) -> None:
    """A start with a key that is not the database's fails with a clear message and changes nothing."""
    file = tmp_path / "master.key"
    host = Host(tmp_path, database_url)
    old = file.read_bytes()
    put_new_key_in_front(file)
    host.rewrap()
    host.store.close()
    new, (newest, _) = file.read_bytes(), existing_keys(file)
    file.write_bytes(old)
    with pytest.raises(CannotOpen, match="the master key is not the one"):
        open_again(tmp_path, database_url)
    file.write_bytes(new)
    again = open_again(tmp_path, database_url)
    assert again.key == host.store.key
    again.close()
    store = open_store(tmp_path, (newest,), database_url)
    assert store.key == host.store.key
    store.close()


def test_nothing_is_rewrapped_where_a_key_is_missing(tmp_path: Path, database_url: str | None) -> None:
    """A value whose key is lost stops the change as a whole."""
    host = Host(tmp_path, database_url)
    try:
        host.scopes.create(ADMIN, "prod")
        host.scopes.put(ADMIN, "prod", "a", b"value")
        with host.store.write() as work:
            work.secrets.put("prod", "b", b"\x01" + b"\x00" * 100, NOW)
            before = work.secrets.every(), work.meta.get(TOKEN_KEY)
        put_new_key_in_front(tmp_path / "master.key")
        with pytest.raises(CannotOpen):
            host.rewrap()
        with host.store.read() as work:
            assert (work.secrets.every(), work.meta.get(TOKEN_KEY)) == before
        assert "master-key.rewrap" not in [entry.action for entry in audit_log(host.store)]
    finally:
        host.store.close()
