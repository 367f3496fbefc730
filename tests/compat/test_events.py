"""What happens on a live server, as whoever watches is told of it."""

from __future__ import annotations

import http.client
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cloche.http.events import MAX_LISTENERS

from .live import PATIENCE, TOKEN, Live, chat, invocations, wait_until
from .provider import Provider
from .strangers import Stranger

PATH = "/api/2.0/events"


class Watcher:
    """A connection that reads events in a thread.  `ended`: the server has ended the stream, properly."""

    def __init__(self, server: Live, query: str = "", token: str = TOKEN) -> None:
        self.events: list[tuple[str, Any]] = []
        self.ended = False
        self._closing = False
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        self._connection.request("GET", f"{PATH}?{query}", headers={"authorization": f"Bearer {token}"})
        self._socket = self._connection.sock
        self.answer = self._connection.getresponse()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        name = ""
        try:
            for line in self.answer:
                if line.startswith(b"event: "):
                    name = line.decode().removeprefix("event: ").strip()
                elif line.startswith(b"data: "):
                    self.events.append((name, json.loads(line.removeprefix(b"data: "))))
            self.ended = not self._closing
        except (OSError, http.client.HTTPException):
            assert self._closing

    def told(self, name: str) -> list[Any]:
        """The events of a name so far."""
        return [told for each, told in list(self.events) if each == name]

    def close(self) -> None:
        """Hang up."""
        self._closing = True
        with suppress(OSError):  # the server may have been first
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self.answer.close()
        self._connection.close()


@contextmanager
def watching(server: Live, query: str = "", token: str = TOKEN) -> Iterator[Watcher]:
    """A watcher who has been told where things stand."""
    with closing(Watcher(server, query, token)) as watcher:
        assert watcher.answer.status == 200
        assert watcher.answer.headers["content-type"].startswith("text/event-stream")
        wait_until(lambda: watcher.told("revision"), "the first event")
        yield watcher


def test_calls_of_all_workers_are_told(watched: Live) -> None:
    """Each call to the endpoint comes once, as the log of calls has it, whichever worker took it, and no others."""
    with watching(watched, "calls=true&endpoint=wordy") as watcher, watching(watched) as other:
        assert watched.ask("echo", client_request_id="told-elsewhere").status == 200
        names = {f"told-{number}" for number in range(10)}
        for name in names:
            assert watched.ask("wordy", client_request_id=name).status == 200
        wait_until(lambda: len(watcher.told("call")) >= 10, "the calls")
        time.sleep(1.2)
        calls = watcher.told("call")
        assert {each["client_request_id"] for each in calls} == names
        assert len(calls) == 10
        listed = watched.request("GET", "/api/2.0/calls?endpoint=wordy&limit=10").json()["calls"]
        assert {each["request_id"]: each for each in calls} == {each["request_id"]: each for each in listed}
        assert other.told("call") == []


def test_changes_and_states_are_told(watched: Live, provider: Provider) -> None:
    """A change raises the revision; an endpoint that comes, and one that goes, is told with its state."""
    made = next(each for each in provider.endpoints() if each["name"] == "echo") | {"name": "passing"}
    with watching(watched) as watcher:
        before = watcher.told("revision")[-1]["revision"]
        assert watched.request("POST", "/api/2.0/serving-endpoints", made).status == 200
        wait_until(lambda: watcher.told("endpoint"), "the endpoint")
        ready = {"name": "passing", "state": {"ready": "READY", "config_update": "NOT_UPDATING"}}
        wait_until(lambda: watcher.told("endpoint")[-1] == ready, "its being ready")
        assert watched.request("DELETE", "/api/2.0/serving-endpoints/passing").status == 200
        wait_until(lambda: watcher.told("endpoint")[-1] == {"name": "passing", "state": None}, "its end")
        assert watcher.told("revision")[-1]["revision"] > before


def test_others_are_told_what_is_theirs(watched: Live, stranger: Stranger) -> None:
    """A user is told of their own calls and of endpoints that they may see; and of nothing once their token goes."""
    stranger.give("wordy", "CAN_QUERY")
    with watching(watched, "calls=true", stranger.token) as watcher:
        assert watched.ask("wordy", client_request_id="not-theirs").status == 200

        def answered() -> bool:
            body = chat(client_request_id="theirs")
            return watched.request("POST", invocations("wordy"), body, token=stranger.token).status == 200

        wait_until(answered, "the right to query")
        wait_until(lambda: [each for each in watcher.told("call") if each["status"] == 200], "their call")
        assert {each["user"] for each in watcher.told("call")} == {stranger.name}
        tokens = watched.request("GET", "/api/2.0/token-management/tokens").json()["token_infos"]
        [token] = [each for each in tokens if each.get("owner_id") == owner(watched, stranger)]
        assert watched.request("DELETE", f"/api/2.0/token-management/tokens/{token['token_id']}").status == 200
        wait_until(lambda: watcher.ended, "the end")


def owner(server: Live, stranger: Stranger) -> Any:
    """The id of a stranger, as tokens tell it."""
    path = "/api/2.0/preview/scim/v2/ServicePrincipals"
    found = server.request("GET", path).json()["Resources"]
    [one] = [each for each in found if each["applicationId"] == stranger.name]
    number = one["id"]
    return int(number) if str(number).isdigit() else number


def test_who_may_not_watch_is_told_so(watched: Live) -> None:
    """Without a token there are no events, and a query that means nothing is refused by name."""
    assert watched.request("GET", PATH, token=None).status == 401
    reply = watched.request("GET", f"{PATH}?calls=maybe")
    assert (reply.status, reply.json()["message"]) == (400, "calls: must be true or false")


def test_who_hangs_up_makes_room(relaying: Live) -> None:
    """There are so many listeners and no more, and each that hangs up is one less, and one line in the log."""

    def hung_up() -> int:
        return sum(line.get("path") == PATH and line.get("outcome") == "cancelled" for line in relaying.log())

    before = hung_up()
    with ExitStack() as stack:
        for _ in range(MAX_LISTENERS):
            stack.enter_context(closing(Watcher(relaying)))
        refused = relaying.request("GET", PATH)
        assert (refused.status, refused.json()["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
        assert "retry-after" in refused.headers

    def room() -> bool:
        with closing(Watcher(relaying)) as another:
            return another.answer.status == 200

    wait_until(room, "room")
    wait_until(lambda: hung_up() >= before + MAX_LISTENERS, "the line of each")


def test_a_listener_that_does_not_read_is_in_nobodys_way(provider: Provider, tmp_path: Path) -> None:
    """It costs others nothing, loses calls itself, and when the server is to end it does so at once."""
    tracked = {"ai_gateway": {"usage_tracking_config": {"enabled": True}}}
    config = tmp_path / "endpoints.json"
    config.write_text(json.dumps([each | tracked for each in provider.endpoints() if each["name"] == "echo"]))
    server = Live(tmp_path, "--config", str(config), "--no-default-endpoint", "--drain-seconds", "60")
    try:
        with stuck(server), closing(Watcher(server, "calls=true&endpoint=echo")) as watcher:
            wait_until(lambda: watcher.told("revision"), "the first event")
            for turn in range(3):
                make_up(server, turn)
                time.sleep(1.2)
            assert server.ask("echo", client_request_id="last").status == 200
            wait_until(lambda: [each["client_request_id"] for each in watcher.told("call")] == ["last"], "the call")
            began = time.monotonic()
            server.process.terminate()
            wait_until(lambda: watcher.ended, "the end of the stream")
            assert server.process.wait(PATIENCE) == 0
            assert time.monotonic() - began < 15
    finally:
        server.stop()


@contextmanager
def stuck(server: Live) -> Iterator[socket.socket]:
    """A listener who asks for every call and reads nothing."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        head = f"GET {PATH}?calls=true HTTP/1.1\r\nHost: cloche\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(12) == b"HTTP/1.1 200"
        yield connection


def make_up(server: Live, turn: int) -> None:
    """Put many long calls of another endpoint into the table, by somebody who has no need to call for that."""
    now = datetime.now(UTC).replace(tzinfo=None)
    columns = {
        "account_id": "1",
        "workspace_id": "1",
        "client_request_id": "x" * 1000,
        "requester": "ann",
        "status_code": 200,
        "request_time": now.isoformat(" ", "microseconds"),
        "endpoint_id": "other",
        "endpoint_name": "other",
        "duration_ms": 1.0,
        "outcome": "ok",
        "estimated": 0,
        "request_streaming": 0,
    }
    columns |= {f"{way}_{what}_count": 1 for way in ("input", "output") for what in ("token", "character")}
    names = ", ".join(["databricks_request_id", *columns])
    places = ", ".join("?" * (len(columns) + 1))
    with closing(sqlite3.connect(server.home / "cloche.db")) as connection, connection:
        connection.executemany(
            f"INSERT INTO endpoint_usage ({names}) VALUES ({places})",
            [(f"made-{turn}-{number}", *columns.values()) for number in range(1900)],
        )
