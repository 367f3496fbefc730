"""The database goes away and comes back: what was published is served all the while, and nobody restarts anything."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from databases import Postgres

from .live import TOKEN, Live, chat, invocations, wait_until
from .provider import Provider

ECHO = "echo"


@pytest.fixture
def database(postgres: Postgres, postgres_url: str) -> Iterator[str]:
    """A database whose server the test may stop; afterwards it runs."""
    yield postgres_url
    postgres.stop()
    postgres.start()


def flags(provider: Provider, folder: Path, url: str, workers: int) -> list[str]:
    """How the server is started: an endpoint in front of the scripted provider."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "endpoints.json"
    config.write_text(json.dumps([each for each in provider.endpoints() if each["name"] == ECHO]))
    given = ["--config", str(config), "--no-default-endpoint", "--database-url", url, "--workers", str(workers)]
    return [*given, "--drain-seconds", "5"]


def check_outage(server: Live) -> None:
    """What must hold while there is no database."""
    assert server.ask(ECHO).status == 200
    assert server.request("POST", invocations(ECHO), chat(), token="dapi" + "0" * 32).status == 401
    assert server.request("GET", "/ready", token=None).status == 200
    listed = server.request("GET", "/api/2.0/serving-endpoints")
    assert [each["name"] for each in listed.json()["endpoints"]] == [ECHO]
    assert server.request("GET", f"/api/2.0/serving-endpoints/{ECHO}").status == 200
    assert server.request("GET", f"/api/2.0/serving-endpoints/{ECHO}/metrics").status == 200
    for method, path, body in (
        ("POST", "/api/2.0/token/create", {}),
        ("GET", "/api/2.0/token/list", None),
        ("DELETE", f"/api/2.0/serving-endpoints/{ECHO}", None),
    ):
        refused = server.request(method, path, body)
        assert (refused.status, refused.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE"), path
        assert int(refused.headers["retry-after"]) >= 1


def check_kept(file: Path) -> None:
    """The kept state bears no token and no provider's key in a readable form, and nobody else may read it."""
    assert file.stat().st_mode & 0o777 == 0o600
    data = file.read_bytes()
    assert TOKEN.encode() not in data
    assert b"sk-fake" not in data


def worker_pids(server: Live) -> list[int]:
    """The workers that were started so far."""
    told = [str(entry.get("message")) for entry in server.log()]
    return [int(each.rpartition("pid ")[2].rstrip(")")) for each in told if "worker started" in each]


def test_workers_outlive_the_database(provider: Provider, postgres: Postgres, database: str, tmp_path: Path) -> None:
    """An outage costs changes and nothing else, also on a worker that was killed and replaced in it, and ends by
    itself."""
    server = Live(tmp_path, *flags(provider, tmp_path, database, workers=2))
    try:
        wait_until((server.home / "published.snapshot").exists, "the kept state")
        time.sleep(1.5)  # the newest state is kept a second later at most
        postgres.stop()
        check_outage(server)
        before = worker_pids(server)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(worker_pids(server)) == 4, "other workers")
        check_outage(server)
        postgres.start()
        wait_until(lambda: server.request("POST", "/api/2.0/token/create", {}).status == 200, "the database")
        told = [str(entry.get("message")) for entry in server.log()]
        assert sum("answers again" in each for each in told) <= 3  # once for each process that knew of the outage
    finally:
        server.stop()


def test_a_server_starts_without_its_database(
    provider: Provider, postgres: Postgres, database: str, tmp_path: Path
) -> None:
    """A server that is started again in an outage serves what it last knew, and takes changes once the database is
    back; a kept state that is too old, and a home without one, are refused with the reason."""
    given = flags(provider, tmp_path, database, workers=1)
    first = Live(tmp_path, *given)
    made = first.request("POST", "/api/2.0/token/create", {}).json()
    first.stop()
    assert first.process.returncode == 0
    check_kept(first.home / "published.snapshot")
    postgres.stop()
    second = Live(tmp_path, *given)
    try:
        check_outage(second)
        assert second.request("POST", invocations(ECHO), chat(), token=made["token_value"]).status == 200
        postgres.start()
        wait_until(lambda: second.request("POST", "/api/2.0/token/create", {}).status == 200, "the database")
        gone = second.request("POST", "/api/2.0/token/delete", {"token_id": made["token_info"]["token_id"]})
        assert gone.status == 200
        wait_until(
            lambda: second.request("POST", invocations(ECHO), chat(), token=made["token_value"]).status == 401,
            "the end",
        )
    finally:
        second.stop()
    postgres.stop()
    time.sleep(1.1)
    with pytest.raises(AssertionError, match="too old"):
        Live(tmp_path, *given, "--snapshot-max-age-seconds", "1")
    shutil.rmtree(tmp_path / "home")
    with pytest.raises(AssertionError, match="there is no "):
        Live(tmp_path, *given)
