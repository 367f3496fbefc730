"""The log of calls, from a live server of two workers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from .live import TOKEN, Live, chat, invocations, wait_until
from .strangers import Stranger


def calls(server: Live, query: str = "", token: str = TOKEN) -> list[dict[str, Any]]:
    """What the API tells."""
    reply = server.request("GET", f"/api/2.0/calls?{query}", token=token)
    assert reply.status == 200, reply.body
    found: list[dict[str, Any]] = reply.json()["calls"]
    return found


def the_call(server: Live, name: str) -> dict[str, Any]:
    """The call whose client gave it that name, once it is written down."""
    wait_until(lambda: calls(server, f"q={name}"), "the row")
    [found] = calls(server, f"q={name}")
    return found


def test_calls_of_all_workers_are_listed(watched: Live) -> None:
    """Each call is there with what the client saw, the newest first, in pages."""
    seen = {f"listed-{number}": watched.ask("wordy", client_request_id=f"listed-{number}") for number in range(9)}
    told = {name: the_call(watched, name) for name in seen}
    for name, reply in seen.items():
        assert told[name]["request_id"] == reply.headers["x-request-id"]
        assert (told[name]["endpoint"], told[name]["entity"], told[name]["user"]) == ("wordy", "wordy", "admin")
        assert (told[name]["status"], told[name]["outcome"], told[name]["input_tokens"]) == (200, "ok", 11)
        assert told[name]["attempts"] is None
        assert 0 < told[name]["first_byte_ms"] <= told[name]["duration_ms"]
    paged: list[dict[str, Any]] = []
    query = f"endpoint=wordy&status=ok&limit=4&from={min(each['time'] for each in told.values())}"
    token = ""
    while True:
        answer = watched.request("GET", f"/api/2.0/calls?{query}&page_token={token}").json()
        paged += answer["calls"]
        token = answer.get("next_page_token", "")
        if not token:
            break
    assert len({each["request_id"] for each in paged}) == len(paged) == len(seen)
    assert [each["time"] for each in paged] == sorted((each["time"] for each in paged), reverse=True)


def test_attempts_are_told_one_by_one(watched: Live) -> None:
    """A call that fell back says who was asked, when, and what came of it."""
    assert watched.ask("spared", client_request_id="spared").status == 200
    told = the_call(watched, "spared")
    first, last = told["attempts"]
    assert (first["entity"], last["entity"], last["outcome"]) == ("failing", "wordy", "ok")
    assert first["outcome"].isupper()
    assert 0 <= first["began_ms"] < first["began_ms"] + first["duration_ms"] <= last["began_ms"]
    assert last["began_ms"] + last["duration_ms"] == pytest.approx(told["duration_ms"], abs=0.2)
    assert told["entity"] == "wordy"


def test_a_call_with_its_payload(watched: Live) -> None:
    """Where there is an inference table the call comes with what was asked and answered, at once and once it is in its
    table."""
    reply = watched.ask("kept", client_request_id="kept")
    told = the_call(watched, "kept")
    path = f"/api/2.0/calls/{told['request_id']}"

    def payload() -> dict[str, Any] | None:
        found = watched.request("GET", path).json()
        assert (found["payload_table"], found["payload_problem"]) == ("main.logs.watched_payload", None)
        assert told.items() <= found.items()
        shown: dict[str, Any] | None = found["payload"]
        return shown

    wait_until(payload, "the payload in the spool")
    early = payload()
    spool = watched.home / "payload-spool"
    wait_until(lambda: not list(spool.glob("*/*/*/*.rows")), "the table")
    late = payload()
    assert early == late is not None
    assert late["response"] == reply.body.decode()
    assert "mixture of experts" in late["request"]
    assert late["logging_error_codes"] == []
    wordy = calls(watched, "endpoint=wordy&limit=1")
    if wordy:
        found = watched.request("GET", f"/api/2.0/calls/{wordy[0]['request_id']}").json()
        assert (found["payload"], found["payload_table"]) == (None, None)


def test_others_see_their_own_calls(watched: Live, stranger: Stranger) -> None:
    """A user sees their own calls without what was said, and those of others only at endpoints that they manage."""
    assert watched.ask("kept", client_request_id="not theirs").status == 200
    other = the_call(watched, "not%20theirs")
    assert calls(watched, "", stranger.token) == []
    path = f"/api/2.0/calls/{other['request_id']}"
    assert watched.request("GET", path, token=stranger.token).status == 404
    assert watched.request("GET", "/api/2.0/calls/nothing").status == 404
    stranger.give("kept", "CAN_QUERY")
    body = chat(client_request_id="theirs")

    def answered() -> bool:
        return watched.request("POST", invocations("kept"), body, token=stranger.token).status == 200

    wait_until(answered, "the right to query")
    wait_until(lambda: calls(watched, "status=ok", stranger.token), "the row")
    own = calls(watched, "status=ok", stranger.token)
    assert {each["user"] for each in own} == {stranger.name}
    detail = watched.request("GET", f"/api/2.0/calls/{own[0]['request_id']}", token=stranger.token).json()
    assert (detail["payload"], detail["payload_table"]) == (None, None)
    assert calls(watched, "user=admin", stranger.token) == []
    stranger.give("kept", "CAN_MANAGE")
    wait_until(lambda: watched.request("GET", path, token=stranger.token).status == 200, "the right to manage")
    shown = watched.request("GET", path, token=stranger.token).json()
    assert shown["payload_table"] == "main.logs.watched_payload"
    assert {each["endpoint"] for each in calls(watched, "", stranger.token)} == {"kept"}


@pytest.mark.parametrize("query", ["status=happy", "status=6xx", "from=yesterday", "limit=0", "page_token=abc"])
def test_what_cannot_be_asked_is_refused(watched: Live, query: str) -> None:
    """A query that means nothing is answered 400 with the parameter's name."""
    reply = watched.request("GET", f"/api/2.0/calls?{query}")
    assert (reply.status, reply.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert reply.json()["message"].startswith(query.partition("=")[0])


def command(server: Live, *words: str) -> subprocess.Popen[str]:
    """`cloche calls` as it is typed."""
    environ = server.environ | {"CLOCHE_URL": server.url, "CLOCHE_TOKEN": TOKEN}
    return subprocess.Popen(
        [sys.executable, "-m", "cloche", "calls", *words],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_line_shows_and_follows_them(watched: Live) -> None:
    """`list` has a line for each call, `show` one as JSON, and `follow` those that end from then on."""
    with command(watched, "follow", "--endpoint", "wordy") as following:
        assert following.stdout is not None
        came: list[str] = []
        reading = threading.Thread(target=lambda: came.extend(following.stdout or ()), daemon=True)
        reading.start()

        def followed() -> bool:  # it may take a moment until it listens
            watched.ask("wordy", client_request_id="followed")
            return bool(came)

        try:
            wait_until(followed, "a line")
        finally:
            following.terminate()
            reading.join()
    ids = {each["request_id"] for each in calls(watched, "q=followed")}
    told = {line.split()[-1] for line in came}
    assert told <= ids
    listed, _ = command(watched, "list", "--endpoint", "wordy", "--status", "ok", "--limit", "500").communicate()
    heading, *lines = listed.splitlines()
    assert heading.startswith("TIME (UTC)")
    assert ids <= {line.split()[-1] for line in lines}
    shown, _ = command(watched, "show", min(told)).communicate()
    assert json.loads(shown)["client_request_id"] == "followed"
    missing = command(watched, "show", "nothing")
    assert missing.wait() == 4
    missing.communicate()
