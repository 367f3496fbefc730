"""A model that answers one call at a time: who hangs up makes room at once, who must wait is told for how long."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .live import ENDPOINT, MODEL, Live, Reply, chat, invocations, raw_request, wait_until

pytestmark = pytest.mark.model

ENDLESS: dict[str, Any] = {"max_tokens": 3000, "logit_bias": {"2": -100}}
"""An answer that goes on for half a minute and more: the token that would end it is forbidden."""

FREED_SECONDS = 1.0


@pytest.fixture(scope="module")
def narrow(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server whose model answers one call while one more may wait, for two seconds."""
    room = ("--engine-parallel", "1", "--engine-queue-limit", "1", "--engine-queue-seconds", "2")
    folder = tmp_path_factory.mktemp("narrow")
    server = Live(folder, "--endpoint", f"{ENDPOINT}={MODEL}", *room, models=models_dir)
    server.ask(max_tokens=1)  # the first call reads the whole prompt, later ones find it in the cache
    yield server
    server.stop()


def seconds_to_an_answer(server: Live) -> float:
    """How long a call of one token takes now."""
    began = time.monotonic()
    assert server.ask(max_tokens=1).status == 200
    return time.monotonic() - began


def test_hanging_up_on_a_stream_frees_the_model(narrow: Live) -> None:
    """The next call is answered within a second after a client has gone in the middle of a stream."""
    waits = []
    for _ in range(3):
        with narrow.open_stream(**ENDLESS):
            pass
        waits.append(seconds_to_an_answer(narrow))
    # The best of three: the bound is cloche's, the noise is the machine's.
    assert min(waits) < FREED_SECONDS, waits


def test_hanging_up_on_a_whole_answer_frees_the_model(narrow: Live) -> None:
    """The same holds for a client that waits for its answer in one piece; the log says that it went."""
    waits = []
    with narrow.calls() as calls:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", narrow.port)) as connection:
                connection.sendall(raw_request(invocations(ENDPOINT), chat(**ENDLESS)))
                time.sleep(0.3)  # decoding
            waits.append(seconds_to_an_answer(narrow))
    assert min(waits) < FREED_SECONDS, waits
    assert [call["outcome"] for call in calls] == ["cancelled", "ok"] * 3
    assert {call["status"] for call in calls if call["outcome"] == "cancelled"} == {499}


def test_a_call_waits_for_its_turn(narrow: Live) -> None:
    """A call that comes while the model is busy is answered when the model is free."""
    with narrow.open_stream(**ENDLESS):
        waiting = Asking(narrow)
        time.sleep(0.3)
        assert waiting.is_alive()
    assert waiting.reply().status == 200


def test_a_call_that_waits_too_long(narrow: Live) -> None:
    """After the time that a call may wait it is told 429, and when to come back in whole seconds."""
    with narrow.open_stream(**ENDLESS):
        began = time.monotonic()
        refused = narrow.ask()
        waited = time.monotonic() - began
    check_refusal(refused)
    assert 1.9 < waited < 10


def test_a_call_beyond_the_queue(narrow: Live) -> None:
    """A call that finds the queue full is told so at once, and does not push out the one that waits."""
    with narrow.open_stream(**ENDLESS):
        waiting = Asking(narrow)
        time.sleep(0.3)
        began = time.monotonic()
        refused = narrow.ask()
        assert time.monotonic() - began < FREED_SECONDS
        check_refusal(refused)
        assert waiting.is_alive()
    assert waiting.reply().status == 200


def test_choices_beyond_the_queue(narrow: Live) -> None:
    """A call takes one place however many choices it has, so that more of them than slots and queue are answered."""
    reply = narrow.ask(n=5, max_tokens=2)
    assert [choice["index"] for choice in reply.json()["choices"]] == list(range(5))


def check_refusal(reply: Reply) -> None:
    """A 429 as the clients need it."""
    assert (reply.status, reply.json()["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert 1 <= int(reply.headers["retry-after"]) <= 120


class Asking(threading.Thread):
    """A short query in a thread of its own."""

    def __init__(self, server: Live) -> None:
        super().__init__()
        self._server = server
        self._replies: list[Reply] = []
        self.start()

    def run(self) -> None:
        """Ask and wait."""
        self._replies.append(self._server.ask(max_tokens=1))

    def reply(self) -> Reply:
        """What came back."""
        self.join(30)
        return self._replies[0]


def test_a_slow_reader_gets_everything(narrow: Live) -> None:
    """A client that does not read for a while gets the rest of its stream when it does."""
    with narrow.open_stream(**ENDLESS | {"max_tokens": 100}) as connection:
        time.sleep(0.5)
        rest = b""
        while b"[DONE]" not in rest:
            piece = connection.recv(100)
            assert piece
            rest += piece
    last = [json.loads(line[6:]) for line in rest.splitlines() if line.startswith(b'data: {"id"')][-1]
    assert last["usage"]["completion_tokens"] == 100
    wait_until(lambda: narrow.ask(max_tokens=1).status == 200, "a free model")
