"""Budgets as callers and operators meet them: exact over workers, through kills and a lost home, refused for good."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from typer.testing import CliRunner

from cloche.cli.main import app
from cloche.gateway.budget_counters import FILE

from .live import TOKEN, Live, chat, invocations, raw_request, wait_until
from .provider import Provider
from .test_workers import pids

PATH = "/api/2.0/budgets"
CALL = 7
"""Dollars that a call of this price and bound holds, and costs: the provider counts as many."""

PRICED = {"prices": [{"served_entity_name": "echo", "input_per_million": 0, "output_per_million": 1_000_000}]}


def endpoints(provider: Provider, nobody: str) -> list[dict[str, Any]]:
    """One that costs a dollar for each token of an answer, one that does and whose provider says nothing, and one whose
    price nobody knows."""
    echo = json.dumps(next(each for each in provider.endpoints() if each["name"] == "echo"))
    silent = json.loads(echo.replace(provider.url, nobody)) | {"name": "silent", "ai_gateway": PRICED}
    return [json.loads(echo) | {"ai_gateway": PRICED}, silent, json.loads(echo) | {"name": "unknown"}]


@pytest.fixture(scope="module")
def nobody() -> Iterator[str]:
    """Where a provider is that takes calls and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@pytest.fixture
def server(provider: Provider, nobody: str, tmp_path: Path) -> Iterator[Live]:
    """A server of two workers."""
    config = tmp_path / "endpoints.json"
    config.write_text(json.dumps(endpoints(provider, nobody)))
    running = Live(tmp_path, "--config", str(config), "--no-default-endpoint", "--workers", "2")
    yield running
    running.stop()


def make(server: Live, limit: float, **fields: Any) -> dict[str, Any]:
    """A budget of the workspace's for a month."""
    asked = {"name": "all", "scope": "workspace", "period": "month", "limit_usd": limit} | fields
    reply = server.request("POST", PATH, asked)
    assert reply.status == 200, reply.body
    made: dict[str, Any] = reply.json()
    return made


def spent(server: Live, budget: dict[str, Any]) -> tuple[float, float]:
    """What is spent of it, and what is held."""
    told = server.request("GET", f"{PATH}/{budget['id']}").json()
    return told["spent_usd"], told["reserved_usd"]


def follow(server: Live) -> None:
    """Wait until both workers know of a change that was made.  At first one of them may get all the calls."""
    time.sleep(0.5)
    for _ in range(20):
        wait_until(lambda: server.ask("echo", max_tokens=CALL + 100_000).status == 403, "every worker's news")


def test_of_many_calls_at_once_one_is_let_in(server: Live) -> None:
    """With room for one, of 200 parallel calls through two workers one is answered; all others get a 403 that clients
    do not repeat, and nobody was asked for them."""
    one = make(server, CALL * 2 - 0.01)
    follow(server)
    with ThreadPoolExecutor(40) as pool:
        statuses = Counter(pool.map(lambda _: server.ask("echo", max_tokens=CALL).status, range(200)))
    assert statuses == {200: 1, 403: 199}
    wait_until(lambda: spent(server, one) == (CALL, 0), "the sum")
    with (
        OpenAI(base_url=f"{server.url}/serving-endpoints", api_key=TOKEN) as client,
        pytest.raises(openai.PermissionDeniedError, match=r"USD 13\.99 a month") as refused,
    ):
        client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "hi"}])
    assert "begins anew at" in str(refused.value)
    told = server.request("GET", PATH).json()["budgets"][0]
    wait_until(lambda: server.request("GET", PATH).json()["budgets"][0]["alerts"], "the alert")
    assert told["resets_at"] > told["starts_at"]


def test_what_is_spent_outlives_kills_and_the_home(server: Live, tmp_path: Path) -> None:
    """After a kill -9 of the workers nothing is held any more, and after one of everything the sum is as it was; after
    the counters were lost, too, from the database."""
    one = make(server, 1000)
    follow(server)
    assert server.ask("echo", max_tokens=CALL).status == 200
    wait_until(lambda: spent(server, one) == (CALL, 0), "the sum")
    with socket.create_connection(("127.0.0.1", server.port)) as waiting:
        waiting.sendall(raw_request(invocations("silent"), chat(max_tokens=CALL)))
        wait_until(lambda: spent(server, one) == (CALL, CALL), "what a call holds")
        for each in pids(server):
            os.kill(each, signal.SIGKILL)
        wait_until(lambda: answers(server) and spent(server, one) == (CALL, 0), "what killed workers held")
    with server.open_stream("echo"):
        os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    before = started_again(tmp_path, one)
    assert before >= CALL, "the stream may have cost something"
    (tmp_path / "home" / FILE).unlink()
    assert started_again(tmp_path, one) == before + CALL


def answers(server: Live) -> bool:
    """Whether there is somebody who does."""
    try:
        return server.request("GET", "/ready").status == 200
    except OSError:
        return False


def started_again(folder: Path, one: dict[str, Any]) -> float:
    """What is spent when the server has started again, before one more call."""
    again = Live(folder, "--config", str(folder / "endpoints.json"), "--no-default-endpoint")
    try:
        before = sum(spent(again, one))
        wait_until(lambda: again.ask("echo", max_tokens=CALL).status == 200, "an answer")
        wait_until(lambda: sum(spent(again, one)) == before + CALL, "the sum")
    finally:
        again.stop()
    return before


def test_a_budget_from_making_to_deleting(server: Live) -> None:
    """It is made, shown, changed and deleted, by whom the audit log tells; faults are told with their fields; what has
    no price is refused or told."""
    one = make(server, CALL, scope="user", subject="admin", name="mine", thresholds=[50])
    assert (one["scope"], one["subject"], one["spent_usd"], one["created_by"]) == ("user", "admin", 0, "admin")
    assert one["unpriced_entities"] == ["unknown/echo"]
    follow(server)
    refused = server.ask("unknown")
    assert (refused.status, "price" in refused.json()["message"]) == (403, True)
    assert server.ask("echo", max_tokens=CALL).status == 200
    wait_until(lambda: server.request("GET", PATH).json()["budgets"][0]["alerts"], "the alert")
    [alert] = server.request("GET", f"{PATH}/{one['id']}").json()["alerts"]
    assert (alert["threshold"], alert["spent_usd"], alert["limit_usd"]) == (50, CALL, CALL)
    changed = {"name": "mine", "scope": "user", "subject": "admin", "period": "month", "limit_usd": 3 * CALL}
    told = server.request("PUT", f"{PATH}/{one['id']}", changed).json()
    assert (told["limit_usd"], told["spent_usd"], told["thresholds"]) == (3 * CALL, CALL, [80, 100])
    assert server.request("POST", PATH, changed).status == 400
    faults: dict[str, dict[str, Any]] = {
        "subject": {"scope": "group", "subject": "nobody"},
        "limit_usd": {"limit_usd": 0},
        "period": {"period": "year"},
        "thresholds": {"thresholds": [80, 80]},
    }
    for field, wrong in faults.items():
        reply = server.request("POST", PATH, changed | {"name": "other"} | wrong)
        assert (reply.status, field in reply.json()["message"]) == (400, True), reply.body
    unpriced = changed | {"name": "other", "scope": "endpoint", "subject": "unknown"}
    assert "unknown/echo" in server.request("POST", PATH, unpriced).json()["message"]
    assert server.request("DELETE", f"{PATH}/{one['id']}").status == 200
    assert server.request("GET", f"{PATH}/{one['id']}").status == 404
    wait_until(lambda: all(server.ask("unknown").status == 200 for _ in range(10)), "the end of the budget")
    entries = server.request("GET", "/api/2.0/cloche/audit").json()["entries"]
    actions = {each["action"] for each in entries}
    assert {"budget.create", "budget.alert", "budget.change", "budget.delete"} <= actions


def test_the_command(server: Live) -> None:
    """A budget for each user is made, listed, shown and deleted on the command line."""

    def run(*words: str) -> str:
        told = CliRunner().invoke(app(), ("budget", *words, "--url", server.url, "--token", TOKEN))
        assert told.exit_code == 0, told.output
        return told.output

    run("create", "each", "--limit", "20", "--for", "each-user", "--period", "day", "--alert-only")
    assert "not counted" in run("show", "each")
    wait_until(lambda: all(server.ask("echo", max_tokens=CALL).status == 200 for _ in range(2)), "answers")
    wait_until(lambda: "admin: " in run("show", "each"), "what was spent")
    assert "each-user" in run("list")
    run("delete", "each")
    assert "each-user" not in run("list")
