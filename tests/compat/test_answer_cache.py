"""The cache of answers and what is asked once as clients see them: over workers, a restart and an end by DELETE."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from .live import Live, wait_until
from .provider import Provider

RULES = {"cache_config": {"enabled": True}, "usage_tracking_config": {"enabled": True}}
TOGETHER = {"coalescing_config": {"enabled": True}}


def counters(server: Live) -> dict[str, float]:
    """What the metrics say of kept answers."""
    lines = server.request("GET", "/metrics").body.decode().splitlines()
    told = (line.rpartition(" ") for line in lines if line.startswith(("cloche_cache", "cloche_coalesced")))
    return {name: float(value) for name, _, value in told}


def outcomes(server: Live) -> dict[str, tuple[int, int]]:
    """How many rows of usage there are of each outcome, and their tokens."""
    sql = "select outcome, count(*), sum(input_token_count) from endpoint_usage group by 1 order by 1"
    with closing(sqlite3.connect(f"{(server.home / 'cloche.db').as_uri()}?mode=ro", uri=True)) as connection:
        return {outcome: (count, tokens) for outcome, count, tokens in connection.execute(sql)}


def test_over_workers_and_a_restart(provider: Provider, tmp_path: Path) -> None:
    """One answer serves every worker, a stream as a stream, after a restart too, until DELETE, which takes the level of
    a manager; each call has its row."""
    [echo] = [each for each in provider.endpoints() if each["name"] == "echo"]
    config = tmp_path / "endpoints.json"
    config.write_text(json.dumps([echo | {"ai_gateway": RULES}, echo | {"name": "together", "ai_gateway": TOGETHER}]))
    flags = ("--config", str(config), "--no-default-endpoint", "--workers", "2")
    before = len(provider.asked)
    server = Live(tmp_path, *flags)
    try:
        seen = []
        for stream in (False, True):
            seen.append(server.ask("echo", stream=stream))
            # It is kept on disk after it was given: on a busy machine the next call may come before that.
            wait_until(lambda: server.ask("echo", stream=stream).headers["cloche-cache"] == "hit", "what is kept")  # noqa: B023
            seen += [server.ask("echo", stream=stream) for _ in range(5)]
    finally:
        server.stop()
    assert [reply.headers["cloche-cache"] for reply in seen] == ["miss", *["hit"] * 5] * 2
    assert len({reply.body for reply in seen}) == 2
    asked = len(provider.asked) - before
    assert seen[-1].headers["content-type"].startswith("text/event-stream")
    server = Live(tmp_path, *flags)
    try:
        assert server.ask("echo").headers["cloche-cache"] == "hit"
        assert len(provider.asked) - before == asked
        path = "/api/2.0/serving-endpoints/echo/cache"
        assert server.request("DELETE", path, token="nobody").status == 401
        assert server.request("DELETE", path).status == 200
        wait_until(lambda: server.ask("echo").headers["cloche-cache"] == "miss", "the end of what was kept")
        wait_until(lambda: counters(server)["cloche_cache_hits_total"] >= 1, "the other worker's counts")
        wait_until(
            lambda: outcomes(server).get("ok") == (asked + 1, 11 * (asked + 1)), "the rows of those that were asked"
        )
        wait_until(lambda: outcomes(server)["cached"][0] >= 11, "the rows of those that were not")
        assert outcomes(server)["cached"][1] == 0
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda _: server.ask("together"), range(8)))
        assert {reply.status for reply in together} == {200}
    finally:
        server.stop()
