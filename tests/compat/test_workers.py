"""Several processes on one port, and several hosts on one database: for callers they are one server."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from databases import Postgres

from .live import ENDPOINT, MODEL, TOKEN, Live, chat, invocations, wait_until
from .provider import Provider

ECHO = "echo"
CHANGES = 100
SOON = 1.0
"""Seconds within which a change is seen everywhere."""

SLACK = 2.0
"""Seconds that a loaded machine may take on top of that before a test says that it is broken."""


def echoing(provider: Provider, folder: Path) -> Path:
    """A file with one endpoint in front of the scripted provider."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "endpoints.json"
    config.write_text(json.dumps([each for each in provider.endpoints() if each["name"] == ECHO]))
    return config


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def workers(
    request: pytest.FixtureRequest, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    """A server of two workers, on each kind of database in turn."""
    folder = tmp_path_factory.mktemp("workers")
    flags = ["--config", str(echoing(provider, folder)), "--no-default-endpoint", "--workers", "2"]
    if request.param == "sqlite":
        server = Live(folder, *flags)
        yield server
        server.stop()
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.fresh()
    server = Live(folder, *flags, "--database-url", url)
    yield server
    server.stop()
    postgres.drop(url)


def pids(server: Live) -> list[int]:
    """The workers that were started so far, the newest last."""
    return [
        int(str(entry["message"]).rpartition("pid ")[2].rstrip(")"))
        for entry in server.log()
        if "worker started" in str(entry.get("message"))
    ]


class Caller(threading.Thread):
    """A client that calls without pause.  `seen`: when each call began, and which entity answered."""

    def __init__(self, server: Live) -> None:
        super().__init__(daemon=True)
        self._port = server.port
        self._stopping = threading.Event()
        self.seen: list[tuple[float, str]] = []
        self.failed: list[str] = []

    def run(self) -> None:
        """Call, with a new connection now and then so that every worker gets some."""
        while not self._stopping.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
            try:
                for _ in range(10):
                    self._call(connection)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
            finally:
                connection.close()

    def _call(self, connection: http.client.HTTPConnection) -> None:
        began = time.monotonic()
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        connection.request("POST", invocations(ECHO), json.dumps(chat()), headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            self.failed.append(f"{answer.status} {body!r}")
            return
        self.seen.append((began, answer.getheader("served-model-name") or ""))

    def stop(self) -> None:
        """Call no more."""
        self._stopping.set()
        self.join()


def configuration(provider: Provider, entity: str) -> dict[str, Any]:
    """A configuration whose entity has a name of its own."""
    [endpoint] = [each for each in provider.endpoints() if each["name"] == ECHO]
    [served] = endpoint["config"]["served_entities"]
    return {"served_entities": [served | {"name": entity}]}


def test_no_call_is_lost_while_configurations_change(workers: Live, provider: Provider) -> None:
    """Under load a hundred changes fail no call, and each is in force on every worker a second later."""
    callers = [Caller(workers) for _ in range(4)]
    for caller in callers:
        caller.start()
    published = []
    for number in range(CHANGES):
        reply = workers.request(
            "PUT", f"/api/2.0/serving-endpoints/{ECHO}/config", configuration(provider, f"v{number}")
        )
        assert reply.status == 200, reply.body
        wait_until(lambda: _serves(workers, f"v{number}"), "the change")  # noqa: B023
        published.append(time.monotonic())
    time.sleep(SOON + 0.5)
    for caller in callers:
        caller.stop()
    assert [caller.failed for caller in callers] == [[], [], [], []]
    seen = sorted(each for caller in callers for each in caller.seen)
    # Ids begin alike in one process, and otherwise in another.
    calls = [entry["request_id"] for entry in workers.log() if entry.get("endpoint") == ECHO]
    assert len({each.rpartition("-")[0] for each in calls}) == 2, "both workers must have had calls"
    late = [each for each in seen if _version(each[1]) < _at_least(published, each[0] - SOON)]
    assert not late, late[:5]


def _serves(server: Live, entity: str) -> bool:
    config = server.request("GET", f"/api/2.0/serving-endpoints/{ECHO}").json()["config"]
    return bool(config["served_entities"][0]["name"] == entity)


def _version(entity: str) -> int:
    return int(entity[1:]) if entity.startswith("v") else -1


def _at_least(published: list[float], at: float) -> int:
    """The change that must be in force at a time."""
    return sum(when <= at for when in published) - 1


def test_a_killed_worker_is_replaced(workers: Live) -> None:
    """When a worker is killed under load, only calls that it had are lost; the port stays open and a new one comes."""
    before = [pid for pid in pids(workers) if _is_alive(pid)]
    assert len(before) == 2
    callers = [Caller(workers) for _ in range(4)]
    for caller in callers:
        caller.start()
    wait_until(lambda: all(len(caller.seen) > 20 for caller in callers), "some calls")
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: sum(map(_is_alive, pids(workers))) == 2, "another worker")
    so_far = [len(caller.seen) for caller in callers]
    wait_until(lambda: all(len(caller.seen) > had + 20 for caller, had in zip(callers, so_far, strict=True)), "calls")
    for caller in callers:
        caller.stop()
    lost = [failure for caller in callers for failure in caller.failed]
    assert len(lost) <= len(callers), lost
    assert workers.ask(ECHO).status == 200


def test_a_revoked_token_stops_everywhere(workers: Live) -> None:
    """A token that is revoked is refused by every worker within two seconds, and a new one is known as soon."""
    made = workers.request("POST", "/api/2.0/token/create", {"comment": "short"}).json()
    value, token_id = made["token_value"], made["token_info"]["token_id"]

    def statuses() -> set[int]:
        return {workers.request("POST", invocations(ECHO), chat(), token=value).status for _ in range(8)}

    within(lambda: statuses() == {200}, SOON + SLACK)
    assert workers.request("POST", "/api/2.0/token/delete", {"token_id": token_id}).status == 200
    within(lambda: statuses() == {401}, 2.0 + SLACK)


def within(holds: Callable[[], bool], seconds: float) -> None:
    """See that it holds soon."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_workers_and_engines_end_with_a_killed_host(models_dir: Path, tmp_path: Path) -> None:
    """Workers share one engine and its queue; when the host is killed nothing of it is left behind."""
    flags = ("--endpoint", f"{ENDPOINT}={MODEL}", "--no-default-endpoint", "--workers", "2", "--engine-parallel", "1")
    server = Live(tmp_path, *flags, "--engine-queue-limit", "1", models=models_dir)
    try:
        children = [*pids(server), server.engine_pid()]
        statuses: list[int] = []
        asking = [threading.Thread(target=lambda: statuses.append(server.ask(max_tokens=2).status)) for _ in range(6)]
        with server.open_stream(max_tokens=900):  # it has the only slot, and one call may wait
            for each in asking:
                each.start()
            wait_until(lambda: len(statuses) == 5, "the refusals")
            assert statuses == [429] * 5
        for each in asking:
            each.join()
        assert statuses[5:] == [200]
        assert server.request("GET", "/ready").status == 200
        server.kill_engine()
        wait_until(lambda: server.request("GET", "/ready").status == 503, "news of the engine's end")
        wait_until(lambda: server.request("GET", "/ready").status == 200, "news of the next engine")
        # Each worker hears of it in its own time, and the next connection may be the other's.
        wait_until(lambda: server.ask().status == 200, "an answer from the next engine")
        children.append(server.engine_pid())
        server.process.kill()
        server.process.wait(10)
        wait_until(lambda: not any(_is_alive(pid) for pid in children), "the end of everything")
    finally:
        server.stop()


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_two_hosts_on_one_database_agree(provider: Provider, postgres_url: str, tmp_path: Path) -> None:
    """What is changed on one host is in force on the other within a second, tokens included; SIGTERM ends a host and
    its workers with status 0, and the other goes on."""
    config = str(echoing(provider, tmp_path))
    flags = ("--config", config, "--no-default-endpoint", "--database-url", postgres_url)
    one = Live(tmp_path / "one", *flags, "--workers", "2")
    (tmp_path / "two" / "home").mkdir(parents=True, mode=0o700)
    (tmp_path / "two" / "home" / "master.key").write_bytes((one.home / "master.key").read_bytes())
    (tmp_path / "two" / "home" / "master.key").chmod(0o600)
    two = Live(tmp_path / "two", *flags)
    try:
        reply = one.request("PUT", f"/api/2.0/serving-endpoints/{ECHO}/config", configuration(provider, "v7"))
        assert reply.status == 200, reply.body
        within(lambda: two.ask(ECHO).headers["served-model-name"] == "v7", SOON + SLACK)
        made = two.request("POST", "/api/2.0/token/create", {}).json()
        used = {"token": made["token_value"]}
        within(lambda: one.request("POST", invocations(ECHO), chat(), **used).status == 200, SOON + SLACK)
        two.request("POST", "/api/2.0/token/delete", {"token_id": made["token_info"]["token_id"]})
        within(lambda: one.request("POST", invocations(ECHO), chat(), **used).status == 401, 2.0 + SLACK)
        started = pids(one)
        one.process.terminate()
        assert one.process.wait(30) == 0
        wait_until(lambda: not any(map(_is_alive, started)), "the end of the workers")
        with pytest.raises(ConnectionRefusedError):
            one.request("GET", "/health")
        assert two.ask(ECHO).status == 200
    finally:
        one.stop()
        two.stop()
