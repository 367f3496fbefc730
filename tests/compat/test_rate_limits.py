"""Rate limits as clients meet them: exact over several workers, and a refusal that each client gets over by itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.service.serving import ChatMessage, ChatMessageRole, RateLimitKey, RateLimitRenewalPeriod
from databricks.sdk.service.serving import RateLimit as RateLimitOfSdk
from mlflow.deployments import get_deploy_client
from msgspec import structs
from openai import OpenAI, RateLimitError

from cloche.domain.ai_gateway import AiGateway, RateLimit
from cloche.domain.outbound import HttpCall, Receiver, Timeouts
from cloche.http.server import Server, ServerOptions
from cloche.http.shared import Lane
from gateway.scripted import TOKEN as WORLDS_TOKEN
from gateway.scripted import Outbound, World

from .live import TOKEN, Live, wait_until
from .provider import USAGE, Provider
from .test_workers import pids

ECHO = "echo"
CALLS = 20
LIMITS = {"rate_limits": [{"renewal_period": "minute", "calls": CALLS, "tokens": 100_000, "key": "endpoint"}]}
ANSWER = json.dumps(
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}]}
    | {"usage": USAGE}
).encode()


@pytest.fixture(scope="module")
def workers(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server of two workers, whose endpoint has a limit of calls and of tokens."""
    folder = tmp_path_factory.mktemp("limited")
    config = folder / "endpoints.json"
    echo = [each | {"ai_gateway": LIMITS} for each in provider.endpoints() if each["name"] == ECHO]
    config.write_text(json.dumps(echo))
    server = Live(folder, "--config", str(config), "--no-default-endpoint", "--workers", "2")
    yield server
    server.stop()


def begin_of_a_minute() -> None:
    """Wait until a minute has begun, if this one has too little left for a test."""
    left = 60 - time.time() % 60
    if left < 12:
        time.sleep(left + 0.1)


def test_exactly_as_many_as_the_limit_says(workers: Live) -> None:
    """Of many calls at once, over two workers one of which is killed, exactly as many are let in as may be."""
    begin_of_a_minute()
    headers: list[dict[str, str]] = []
    refusals: list[RateLimitError] = []

    def ask(number: int) -> int:
        # A connection for each call, so that both workers get some.
        with OpenAI(api_key=TOKEN, base_url=f"{workers.url}/serving-endpoints", max_retries=0) as client:
            try:
                got = client.chat.completions.with_raw_response.create(
                    model=ECHO, messages=[{"role": "user", "content": "hi"}], max_tokens=9
                )
            except RateLimitError as error:
                refusals.append(error)
                return 429
            headers.append(dict(got.headers))
            return got.http_response.status_code

    with workers.calls() as lines, ThreadPoolExecutor(8) as pool:
        first = list(pool.map(ask, range(CALLS // 2)))
        os.kill(pids(workers)[0], signal.SIGKILL)
        wait_until(lambda: len(pids(workers)) == 3, "another worker")
        rest = list(pool.map(ask, range(2 * CALLS)))
    assert first == [200] * (CALLS // 2)
    assert rest.count(200) == CALLS - CALLS // 2
    assert rest.count(429) == 2 * CALLS - rest.count(200)
    for error in refusals:
        assert f"takes {CALLS} calls a minute" in error.message
        assert 1 <= int(error.response.headers["retry-after"]) <= 60
        assert error.response.headers["x-ratelimit-remaining-requests"] == "0"
    remaining = sorted(int(each["x-ratelimit-remaining-requests"]) for each in headers)
    assert remaining == list(range(CALLS))
    assert {each["x-ratelimit-limit-tokens"] for each in headers} == {"100000"}
    assert sum(line["status"] == 429 and line["error_code"] == "REQUEST_LIMIT_EXCEEDED" for line in lines) == 30


def test_limits_set_by_the_sdk(workers: Live) -> None:
    """What the older operation sets holds on every worker a moment later, and without limits there is room again."""
    sdk = WorkspaceClient(config=Config(host=workers.url, token=TOKEN, auth_type="pat"))
    none = RateLimitOfSdk(renewal_period=RateLimitRenewalPeriod.MINUTE, calls=0, key=RateLimitKey.USER)
    for limits, status in (([none], 429), ([], 200)):
        sdk.serving_endpoints.put(ECHO, rate_limits=limits)
        wait_until(lambda: [workers.ask(ECHO).status for _ in range(8)] == [status] * 8, "the limits")  # noqa: B023
    headers = workers.ask(ECHO).headers
    assert not [name for name in headers if name.startswith("x-ratelimit")]


def test_no_warning_about_what_is_enforced(workers: Live) -> None:
    """The operator is told of rules that are only kept, and limits are none of these."""
    assert not [entry for entry in workers.log() if "does not enforce" in str(entry.get("message"))]


class Limited(World):
    """A gateway whose endpoint `chat` takes one call a minute, and whose minute ends in two seconds."""

    def __init__(self) -> None:
        offset = 58.0 - time.time() % 60
        super().__init__(now=lambda: time.time() + offset)
        snapshot = self.snapshot.current()
        rules = AiGateway(rate_limits=[RateLimit("minute", 1)])
        chat = structs.replace(snapshot.endpoints["chat"], rules=rules)
        self.snapshot.swap(structs.replace(snapshot, endpoints={**snapshot.endpoints, "chat": chat}))

    def _send(self, call: HttpCall, receiver: Receiver, timeouts: Timeouts) -> Outbound:
        outbound = super()._send(call, receiver, timeouts)
        asyncio.get_running_loop().call_soon(outbound.answer, ANSWER)
        return outbound


async def _nothing_else(scope: Any, receive: Any, send: Any) -> None:
    """The application behind the lane: there is no other path."""
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def listening(world: World) -> Iterator[str]:
    """The gateway on a port, in a thread of its own; where it is."""
    lane = Lane(world.gateway, world.records.append, max_body=1 << 20, read_seconds=10)
    started = threading.Event()

    async def on_started() -> None:
        started.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def nothing() -> None:
            """There is nothing to end."""

        options = ServerOptions(keep_alive=5, drain=1, lane=True, tls=None, on_drain=nothing)
        server = Server(_nothing_else, lane, world.gateway, options)
        thread = threading.Thread(target=lambda: asyncio.run(server.run_on(listener, on_started)))
        thread.start()
        assert started.wait(10)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def by_openai(url: str, _: pytest.MonkeyPatch) -> Callable[[], str]:
    """With its own two retries."""
    client = OpenAI(api_key=WORLDS_TOKEN, base_url=f"{url}/serving-endpoints")

    def ask() -> str:
        answer = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "hi"}])
        return answer.choices[0].message.content or ""

    return ask


def by_the_sdk(url: str, _: pytest.MonkeyPatch) -> Callable[[], str]:
    """With its retries of five minutes."""
    client = WorkspaceClient(config=Config(host=url, token=WORLDS_TOKEN, auth_type="pat"))
    question = ChatMessage(role=ChatMessageRole.USER, content="hi")

    def ask() -> str:
        answer = client.serving_endpoints.query(name="chat", messages=[question])
        assert answer.choices
        assert answer.choices[0].message
        return answer.choices[0].message.content or ""

    return ask


def by_mlflow(url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """With its retries of ten minutes."""
    monkeypatch.setenv("DATABRICKS_HOST", url)
    monkeypatch.setenv("DATABRICKS_TOKEN", WORLDS_TOKEN)
    client = get_deploy_client("databricks")  # type: ignore[no-untyped-call]

    def ask() -> str:
        inputs = {"messages": [{"role": "user", "content": "hi"}]}
        answer = client.predict(endpoint="chat", inputs=inputs)
        return str(answer["choices"][0]["message"]["content"])

    return ask


@pytest.mark.parametrize("client", [by_openai, by_the_sdk, by_mlflow])
def test_clients_come_back_when_there_is_room(
    client: Callable[[str, pytest.MonkeyPatch], Callable[[], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that keeps to Retry-After gets its second answer in the next minute, after one refusal."""
    with listening(world := Limited()) as url:
        ask = client(url, monkeypatch)
        assert [ask(), ask()] == ["yes", "yes"]
    assert [record.status for record in world.records] == [200, 429, 200]


def test_the_count_survives_a_restart(provider: Provider, tmp_path: Path) -> None:
    """Within the minute a server that was killed and started again goes on counting where it was."""
    begin_of_a_minute()
    config = tmp_path / "endpoints.json"
    limits = {"rate_limits": [{"renewal_period": "minute", "calls": 1}]}
    echo = [each | {"ai_gateway": limits} for each in provider.endpoints() if each["name"] == ECHO]
    config.write_text(json.dumps(echo))
    seen = []
    for _ in range(2):
        server = Live(tmp_path, "--config", str(config), "--no-default-endpoint")
        seen.append(server.ask(ECHO).status)
        server.process.kill()
        server.process.wait()
    assert seen == [200, 429]
