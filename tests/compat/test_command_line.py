"""The command line against the real model: what a person at a terminal, and a script, do with a running server."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .live import ENDPOINT, MODEL, PATIENCE, TOKEN, Live

pytestmark = pytest.mark.model

CLOCHE = [sys.executable, "-m", "cloche"]
TAKE_TERMINAL = "import fcntl, runpy, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
ON_TERMINAL = [sys.executable, "-c", TAKE_TERMINAL + "runpy.run_module('cloche', run_name='__main__')"]
"""The terminal must be the controlling one, so that Ctrl-C becomes a signal."""

PROMPT = b"\n> "


def run(live: Live, *arguments: str, stdin: str = "", **over: str) -> subprocess.CompletedProcess[str]:
    """A command, told of the server by its environment."""
    environ = live.environ | {"CLOCHE_URL": live.url, "CLOCHE_TOKEN": TOKEN, "PYTHONWARNINGS": "error"} | over
    command = [*CLOCHE, *arguments]
    return subprocess.run(
        command, env=environ, input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def data(live: Live, *arguments: str) -> Any:
    """What a command prints with --json."""
    done = run(live, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_query(live: Live) -> None:
    """A prompt goes in, the answer and nothing else comes out; a pipe may bring the prompt."""
    asked = run(live, "query", ENDPOINT, "What is 1 + 1? Answer with a number.")
    piped = run(live, "query", ENDPOINT, "--no-stream", stdin="Say hello.")
    for done in (asked, piped):
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.strip()
        assert done.stdout.endswith("\n")


def test_query_as_json(live: Live) -> None:
    """With --json the server's answer is printed as it came."""
    answer = data(live, "query", ENDPOINT, "Say hello.")
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"]


def test_failures_have_exit_codes(live: Live) -> None:
    """An unknown endpoint is 4, a refused token 3, no server 5; each says what to do on standard error alone."""
    cases = (
        (4, "no-such-endpoint", run(live, "query", "no-such-endpoint", "hello")),
        (3, "CLOCHE_TOKEN", run(live, "query", ENDPOINT, "hello", CLOCHE_TOKEN="dapi-not-ours")),
        (5, "cloche serve", run(live, "query", ENDPOINT, "hello", CLOCHE_URL="http://127.0.0.1:9")),
    )
    for code, told, done in cases:
        assert (done.returncode, done.stdout) == (code, "")
        assert told in done.stderr


def test_endpoints(live: Live) -> None:
    """Endpoints are listed and shown."""
    assert sorted(endpoint["name"] for endpoint in data(live, "endpoint", "list")["endpoints"]) == [ENDPOINT, MODEL]
    assert data(live, "endpoint", "get", ENDPOINT)["state"]["ready"] == "READY"


def test_a_token_from_birth_to_death(live: Live) -> None:
    """A token that is made works at once, is listed without its value, and is refused at once when it is revoked."""
    made = data(live, "token", "create", "--comment", "laptop")
    value, token_id = made["token_value"], made["token_info"]["token_id"]
    path = "/serving-endpoints/models"
    assert live.request("GET", path, token=value).status == 200
    listed = run(live, "token", "list", "--json").stdout
    assert token_id in listed
    assert "laptop" in listed
    assert value not in listed
    assert run(live, "token", "revoke", token_id).returncode == 0
    assert live.request("GET", path, token=value).status == 401
    assert run(live, "token", "revoke", token_id).returncode == 4


def test_doctor(live: Live) -> None:
    """The doctor of the server's own home finds it running, the database current and the model whole."""
    done = run(live, "doctor", "--json", CLOCHE_PORT=str(live.port))
    assert done.returncode == 0, done.stdout + done.stderr
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert "answers /health" in findings["port"]["detail"]
    assert findings["home"]["state"] == findings["database"]["state"] == findings[f"model {MODEL}"]["state"] == "ok"
    assert TOKEN not in done.stdout


def test_chat_in_a_terminal(live: Live) -> None:
    """A conversation in a terminal sends what was said before along, and /quit ends it well."""
    with live.calls() as calls, terminal(live, "chat", "--endpoint", ENDPOINT, "--max-tokens", "12") as screen:
        screen.until(PROMPT)
        for said in ("My name is Ferdinand.", "What is my name?"):
            screen.type(said)
            assert screen.until(PROMPT).strip()
        screen.type("/quit")
        assert screen.process.wait(PATIENCE) == 0
    first, second = calls
    assert second["input_tokens"] > first["input_tokens"] + first["output_tokens"]


def test_ctrl_c_stops_an_answer(live: Live) -> None:
    """Ctrl-C ends a running answer, the server notices, and the conversation goes on."""
    with live.calls() as calls, terminal(live, "chat", "--endpoint", ENDPOINT) as screen:
        screen.until(PROMPT)
        screen.type("Write a very long story about a glass bell.")
        screen.until(b" ")
        os.write(screen.terminal, b"\x03")
        assert b"(stopped)" in screen.until(PROMPT)
        screen.type("/quit")
        assert screen.process.wait(PATIENCE) == 0
    assert [call["outcome"] for call in calls if call["stream"]] == ["cancelled"]


class Screen:
    """A person's side of a terminal."""

    def __init__(self, terminal: int, process: subprocess.Popen[bytes]) -> None:
        self.terminal = terminal
        self.process = process
        self._seen = b""

    def type(self, line: str) -> None:
        """Type a line, and read away its echo."""
        os.write(self.terminal, line.encode() + b"\n")
        self.until(line.encode())
        self.until(b"\n")

    def until(self, mark: bytes) -> bytes:
        """What appears up to the mark."""
        while mark not in self._seen:
            self._seen += os.read(self.terminal, 65536)
        shown, _, self._seen = self._seen.partition(mark)
        return shown


@contextmanager
def terminal(live: Live, *arguments: str) -> Iterator[Screen]:
    """A command in a terminal of its own."""
    ours, theirs = pty.openpty()
    environ = live.environ | {"CLOCHE_URL": live.url, "CLOCHE_TOKEN": TOKEN, "TERM": "dumb"}
    process = subprocess.Popen(
        [*ON_TERMINAL, *arguments], env=environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        yield Screen(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
