"""Usage while the database is away or a worker is killed: what is lost, and that nothing counts twice."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from databases import Postgres

from .live import Live, wait_until
from .provider import Provider
from .test_usage import TRACKED

ECHO = "echo"
BOUND = 1.0
"""Seconds: what a worker that is killed may take with it, as docs/usage.md says."""


@pytest.fixture
def database(postgres: Postgres, postgres_url: str) -> Iterator[str]:
    """A database whose server the test may stop; afterwards it runs."""
    yield postgres_url
    postgres.stop()
    postgres.start()


@pytest.fixture
def server(provider: Provider, database: str, tmp_path: Path) -> Iterator[Live]:
    """A server of two workers on that database, whose calls are counted."""
    config = tmp_path / "endpoints.json"
    found = [each | {"ai_gateway": TRACKED} for each in provider.endpoints() if each["name"] == ECHO]
    config.write_text(json.dumps(found))
    flags = ("--config", str(config), "--no-default-endpoint", "--database-url", database, "--workers", "2")
    running = Live(tmp_path, *flags, "--drain-seconds", "5")
    yield running
    running.stop()


def ask(server: Live, names: range) -> None:
    """Calls with these names."""
    for name in names:
        assert server.ask(ECHO, client_request_id=str(name)).status == 200


def counted(database: str) -> list[int]:
    """The names that have rows, in order, each as often as it has."""
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT client_request_id FROM endpoint_usage").fetchall()
    return sorted(int(name) for (name,) in found)


def workers(server: Live) -> list[int]:
    """The workers that were started so far."""
    told = [str(entry.get("message")) for entry in server.log()]
    return [int(each.rpartition("pid ")[2].rstrip(")")) for each in told if "worker started" in each]


def test_an_outage_loses_no_row(server: Live, postgres: Postgres, database: str) -> None:
    """Rows of calls that are made while the database is away come home when it is back, also those of a worker that
    was killed meanwhile, and each once; while the home takes none either, as on a full disk, they wait in memory."""
    ask(server, range(10))
    wait_until(lambda: len(counted(database)) == 10, "the first rows")
    spool = server.home / "usage-spool"
    spool.write_bytes(b"in the way")
    postgres.stop()
    ask(server, range(10, 25))
    wait_until(lambda: any("waits in memory" in str(entry.get("message")) for entry in server.log()), "the log")
    wait_until(lambda: "usage or payloads can be kept nowhere" in problems(server), "health to tell of it")
    spool.unlink()
    ask(server, range(25, 40))
    wait_until(lambda: _kept(spool) == 30, "the rows in the home")
    os.kill(workers(server)[0], signal.SIGKILL)
    wait_until(lambda: len(workers(server)) == 3, "another worker")
    ask(server, range(40, 50))
    postgres.start()
    wait_until(lambda: len(counted(database)) >= 50, "all rows")
    assert counted(database) == list(range(50))
    wait_until(lambda: not list(spool.iterdir()), "an empty spool")
    wait_until(lambda: not problems(server), "all to be well")


def problems(server: Live) -> str:
    """What health says is wrong."""
    return "; ".join(server.request("GET", "/api/2.0/health").json()["problems"])


def _kept(spool: Path) -> int:
    return sum(len(json.loads(path.read_bytes())) for path in spool.glob("*.rows")) if spool.is_dir() else 0


def test_a_killed_worker_loses_a_second_at_most(server: Live, database: str) -> None:
    """Rows of calls that ended longer ago than the bound are there, whatever becomes of the worker, and none twice."""
    ask(server, range(20))
    time.sleep(BOUND)
    for pid in workers(server):
        os.kill(pid, signal.SIGKILL)
    assert counted(database) == list(range(20))
    wait_until(lambda: len(workers(server)) == 4, "other workers")
    ask(server, range(20, 30))
    wait_until(lambda: len(counted(database)) == 30, "the rows of the other workers")


def test_a_server_that_ends_loses_nothing(server: Live, database: str) -> None:
    """What ended just before a shutdown is written."""
    ask(server, range(20))
    server.stop()
    assert counted(database) == list(range(20))
