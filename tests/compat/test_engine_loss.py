"""The worst that can happen to a model: killed in the middle of an answer, or the server told to stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from .live import ENDPOINT, MODEL, PATIENCE, TOKEN, Live, chat, wait_until

pytestmark = pytest.mark.model

LONG: dict[str, Any] = {"max_tokens": 3000, "logit_bias": {"2": -100}}
"""The token that would end the answer is forbidden."""


@pytest.fixture
def mortal(models_dir: Path, short_path: Path) -> Iterator[Live]:
    """A server that a test may break."""
    server = Live(short_path, "--endpoint", f"{ENDPOINT}={MODEL}", models=models_dir)
    yield server
    server.stop()


def test_the_engine_is_killed(mortal: Live) -> None:
    """The client of the broken stream gets an error; until the model is back there is 503 with a time to come back;
    then all is well."""
    before = mortal.engine_pid()
    finishes: list[str | None] = []

    def read_until_it_breaks(chunks: Any) -> None:
        for chunk in chunks:
            finishes.append(chunk.choices[0].finish_reason)
            if len(finishes) == 4:
                mortal.kill_engine()

    with OpenAI(api_key=TOKEN, base_url=f"{mortal.url}/serving-endpoints", max_retries=0) as client:
        stream = client.chat.completions.create(model=ENDPOINT, stream=True, **chat(**LONG))
        with pytest.raises(openai.APIError) as caught:
            read_until_it_breaks(stream)
    assert set(finishes) == {None}
    assert caught.value.code in ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")

    refused = mortal.ask()
    assert (refused.status, refused.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert int(refused.headers["retry-after"]) >= 1
    # The client may notice the loss some milliseconds before the supervisor does.
    wait_until(lambda: mortal.request("GET", "/ready", token=None).status == 503, "the bad news")
    assert mortal.request("GET", "/ready", token=None).json()["not_ready"] == len([ENDPOINT, MODEL])
    assert mortal.request("GET", "/health", token=None).status == 200

    wait_until(lambda: mortal.request("GET", "/ready", token=None).status == 200, "the restart")
    assert mortal.ask().status == 200
    assert mortal.engine_pid() != before
    told = [entry for entry in mortal.log() if entry.get("level") == "warning"]
    assert any(MODEL in entry["message"] and "restarting" in entry["message"] for entry in told)
    broken = [entry for entry in mortal.log() if entry.get("outcome") == "error" and entry["status"] == 200]
    assert len(broken) == 1


def test_the_server_is_told_to_stop(mortal: Live) -> None:
    """After SIGTERM a running answer comes to its end, new calls are turned away, and the exit status is 0."""
    engine = mortal.engine_pid()
    with mortal.open_stream(**LONG | {"max_tokens": 150}) as connection:
        mortal.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not takes_connections(mortal.port), "the closed door")
        rest = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b'"finish_reason":"length"' in rest
    assert b"data: [DONE]\n\n" in rest
    assert mortal.process.wait(PATIENCE) == 0
    assert not Path(f"/proc/{engine}").exists()
    assert list((mortal.home / "run").iterdir()) == []


def takes_connections(port: int) -> bool:
    """Whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
