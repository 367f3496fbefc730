"""The figures of an endpoint, as scrapers and the Databricks SDK read them from a live server."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient

from .live import TOKEN, Live, invocations, wait_until
from .provider import Provider

SAMPLE = re.compile(r'(\w+)\{endpoint_name="([^"]*)",endpoint_id="([0-9a-f]{32})"(?:,le="([^"]+)")?\} (\S+) (\d{13})')


@pytest.fixture(scope="module")
def server(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server of two workers in front of the scripted provider."""
    folder: Path = tmp_path_factory.mktemp("metrics")
    config = folder / "endpoints.json"
    config.write_text(json.dumps(provider.endpoints()))
    running = Live(folder, "--config", str(config), "--no-default-endpoint", "--workers", "2")
    yield running
    running.stop()


def samples(text: str) -> dict[str, float]:
    """Every sample by its name, and a bucket by its name and bound.  Any other line is a comment."""
    found = {}
    for line in text.splitlines():
        if line.startswith("# "):
            continue
        matched = SAMPLE.fullmatch(line)
        assert matched, line
        name, _, _, bound, value, _ = matched.groups()
        found[name if bound is None else f"{name} {bound}"] = float(value)
    return found


def figures(server: Live, endpoint: str) -> dict[str, float]:
    """An endpoint's figures."""
    reply = server.request("GET", f"/api/2.0/serving-endpoints/{endpoint}/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain")
    return samples(reply.body.decode())


def test_the_figures_are_those_of_all_workers(server: Live) -> None:
    """Whichever worker is asked tells the calls of all of them."""
    for _ in range(12):
        assert server.ask("echo").status == 200
    assert server.request("POST", invocations("echo"), {"messages": 7}).status == 400
    for _ in range(2):
        server.ask("failing")
    told: list[dict[str, float]] = []

    def all_agree() -> bool:  # each may be answered by another worker, and workers hear of each other every second
        told[:] = [figures(server, "echo") for _ in range(8)]
        return all(each["request_count_total"] == 13 for each in told)

    wait_until(all_agree, "all calls")
    wait_until(lambda: figures(server, "failing")["request_count_total"] == 2, "all calls")
    echo, failing = told[-1], figures(server, "failing")
    assert (echo["request_4xx_count_total"], echo["request_5xx_count_total"]) == (1, 0)
    assert failing["request_5xx_count_total"] == failing["request_count_total"]
    assert echo["request_latency_ms_count"] == echo["request_latency_ms_bucket +Inf"] == 13
    assert 0 < echo["mem_usage_percentage"] < 100
    assert 0 <= echo["cpu_usage_percentage"] <= 100


def test_the_sdk_reads_them(server: Live) -> None:
    """The SDK's `export_metrics` gives the text."""
    client = WorkspaceClient(host=server.url, token=TOKEN)
    contents = client.serving_endpoints.export_metrics("echo").contents
    assert contents is not None
    assert "request_count_total" in samples(contents.read().decode())


def test_only_who_may_see_an_endpoint_gets_its_figures(server: Live) -> None:
    """Without a token there are no figures, and none of what does not exist."""
    assert server.request("GET", "/api/2.0/serving-endpoints/echo/metrics", token=None).status == 401
    missing = server.request("GET", "/api/2.0/serving-endpoints/nobody/metrics")
    assert (missing.status, missing.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def totals(server: Live) -> dict[str, float]:
    """Every sample of the host's metrics, by its name and labels."""
    reply = server.request("GET", "/metrics")
    assert reply.status == 200
    lines = [line for line in reply.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_totals_are_those_of_all_workers(server: Live) -> None:
    """Counters have the calls of every worker, also of one that was killed, and never fall."""
    name = 'cloche_calls_total{endpoint="wordy",entity="wordy",status="2xx"}'
    for _ in range(12):
        assert server.ask("wordy").status == 200
    assert server.request("POST", invocations("wordy"), {"messages": 7}).status == 400
    server.ask("overloaded")
    refused = 'cloche_calls_total{endpoint="wordy",entity="",status="4xx"}'
    failed = 'cloche_calls_total{endpoint="overloaded",entity="overloaded",status="5xx"}'
    # Each worker tells the host of its calls in its own time, so that one kind may be known before another.
    all_calls = {name, refused, failed}
    wait_until(
        lambda: all(totals(server).get(name) == 12 and all_calls <= totals(server).keys() for _ in range(8)), "calls"
    )
    told = totals(server)
    assert told[refused] == 1
    assert told[failed] == 1
    assert told['cloche_tokens_total{endpoint="wordy",entity="wordy",direction="input",status="2xx"}'] == 12 * 11
    assert told['cloche_call_duration_seconds_bucket{endpoint="wordy",le="+Inf"}'] == 13
    assert told['cloche_call_duration_seconds_count{endpoint="wordy"}'] == 13
    assert told["cloche_resident_memory_bytes"] > 10e6
    before = [pid for pid in pids(server) if is_alive(pid)]
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: sum(map(is_alive, pids(server))) == 2, "another worker")
    wait_until(lambda: all(totals(server).get(name) == 12 for _ in range(8)), "the calls of the worker that was killed")


def pids(server: Live) -> list[int]:
    """The workers that were started so far."""
    told = [str(entry.get("message")) for entry in server.log()]
    return [int(each.rpartition("pid ")[2].rstrip(")")) for each in told if "worker started" in each]


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it was gone before, or while it was read
        return False


def test_totals_are_for_administrators(server: Live) -> None:
    """Names of endpoints are told to nobody else."""
    assert server.request("GET", "/metrics", token=None).status == 401
    made = server.request("POST", "/api/2.0/preview/scim/v2/ServicePrincipals", {"displayName": "scraper"}).json()
    path = "/api/2.0/token-management/on-behalf-of/tokens"
    lent = server.request("POST", path, {"application_id": made["applicationId"]}).json()
    assert server.request("GET", "/metrics", token=lent["token_value"]).status == 403
