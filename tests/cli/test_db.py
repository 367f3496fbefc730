"""`cloche db`, as a person runs it: the real command on a real home, and on a real PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloche.control.secret_references import place
from cloche.domain.endpoint import (
    Configuration,
    Endpoint,
    ExternalModel,
    Properties,
    Route,
    ServedEntity,
    Version,
)
from cloche.store.database import open_store
from cloche.store.home_lock import HomeLock
from cloche.store.key import key_file

from .conftest import Run


@pytest.fixture
def home(environ: dict[str, str]) -> Path:
    """A home with a database, an endpoint with a secret, and the master key."""
    made = Path(environ["CLOCHE_HOME"])
    made.mkdir(mode=0o700)
    fill(made, None)
    return made


def fill(home: Path, url: str | None) -> None:
    """Make an endpoint `bot` that refers to the secret keys/openai."""
    store = open_store(home, key_file(home / "master.key"), url)
    model = ExternalModel("m", "openai", "llm/v1/chat", {"openai_api_key": "{{secrets/keys/openai}}"})
    version = Version(1, Configuration((ServedEntity("e", model),), (Route("e", 100),)), 1, "admin")
    with store.write() as work:
        work.secrets.put("keys", "openai", store.sealer.seal(b"sk-1", place("keys", "openai")), 1)
        work.endpoints.add_version("f" * 32, version)
        work.endpoints.put(Endpoint("f" * 32, "bot", "admin", 1, 1, Properties(), version))
    store.close()


def forget_secret(home: Path) -> None:
    """Take the secret away behind the server's back."""
    store = open_store(home, key_file(home / "master.key"))
    with store.write() as work:
        work.secrets.remove("keys", "openai")
    store.close()


def test_backup_and_restore(run: Run, home: Path, tmp_path: Path) -> None:
    """What was there at the backup is there after the restore, and the person is told what else to keep."""
    made = run("db", "backup", str(tmp_path / "copy.db"))
    assert (made.returncode, "master key" in made.stderr) == (0, True)
    forget_secret(home)
    restored = run("db", "restore", str(tmp_path / "copy.db"))
    assert restored.returncode == 0
    assert "master key" in restored.stderr
    assert "cloche.db.before-" in restored.stderr
    assert run("db", "check").returncode == 0


def test_restore_waits_for_no_server(run: Run, home: Path, tmp_path: Path) -> None:
    """While a server has the home, backup works and restore is refused."""
    with HomeLock(home):
        assert run("db", "backup", str(tmp_path / "copy.db")).returncode == 0
        refused = run("db", "restore", str(tmp_path / "copy.db"))
    assert (refused.returncode, "one server at a time" in refused.stderr) == (1, True)


def test_check_finds_nothing_wrong_and_changes_nothing(run: Run, home: Path) -> None:
    """A sound database ends with 0, and the home holds the same files with the same content."""
    before = {path.name: path.read_bytes() for path in home.iterdir()}
    done = run("db", "check")
    assert (done.returncode, done.stdout) == (0, "")
    assert {path.name: path.read_bytes() for path in home.iterdir()} == before


def test_check_finds_what_is_wrong(run: Run, home: Path) -> None:
    """A reference that leads nowhere, and a master key that is another, are each told and end with 1."""
    forget_secret(home)
    done = run("db", "check")
    assert (done.returncode, "'bot' refers to {{secrets/keys/openai}}" in done.stdout) == (1, True)
    (home / "master.key").unlink()
    assert "cannot read the master key" in run("db", "check").stderr
    key_file(home / "master.key")
    done = run("db", "check")
    assert (done.returncode, "sealed_token_key: " in done.stdout) == (1, True)


def test_check_makes_nothing(run: Run, environ: dict[str, str]) -> None:
    """Where there is no database it says so and leaves none."""
    done = run("db", "check")
    assert (done.returncode, "no database yet" in done.stderr) == (1, True)
    assert not Path(environ["CLOCHE_HOME"]).exists()


def test_postgresql_has_its_own_tools(run: Run, home: Path, tmp_path: Path, postgres_url: str) -> None:
    """For a database on a server, copies are pg_dump's to make, and check and doctor work."""
    for command in ("backup", "restore"):
        done = run("db", command, str(tmp_path / "copy.db"), CLOCHE_DATABASE_URL=postgres_url)
        assert (done.returncode, "pg_dump" in done.stderr) == (2, True)
    fill(home, postgres_url)
    assert run("db", "check", CLOCHE_DATABASE_URL=postgres_url).returncode == 0
    report = json.loads(run("doctor", "--json", CLOCHE_DATABASE_URL=postgres_url).stdout)
    (found,) = (one for one in report["findings"] if one["subject"] == "database")
    assert (found["state"], found["detail"]) == ("ok", "at revision 0008")


def test_a_password_is_shown_nowhere(run: Run, home: Path) -> None:
    """Neither doctor nor check says the password of a server that does not answer, wherever in the URL it stands."""
    for url in ("postgresql://me:canary-1@127.0.0.1:1/db", "postgresql://127.0.0.1:1/db?user=me&password=canary-1"):
        done = run("doctor", CLOCHE_DATABASE_URL=url)
        assert done.returncode == 1
        assert "canary-1" not in done.stdout + done.stderr
        assert "127.0.0.1" in done.stdout + done.stderr
    assert "canary-1" not in run("db", "check", CLOCHE_DATABASE_URL=url).stderr
