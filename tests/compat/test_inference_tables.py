"""Inference tables of a real server: what clients were told is in them, and a server that is killed loses little."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from .live import TOKEN, Live, invocations, wait_until
from .provider import Provider

ECHO = "echo"
BOUND = 1.0
"""Seconds: what a worker that is killed may take with it, as docs/tables.md says, and as much again for a slow disk."""

RULES = {
    "inference_table_config": {
        "enabled": True,
        "catalog_name": "main",
        "schema_name": "logs",
        "table_name_prefix": "live",
    },
    "usage_tracking_config": {"enabled": True},
}


def start(provider: Provider, folder: Path) -> Live:
    """A server of two workers; its home is the same each time."""
    config = folder / "endpoints.json"
    found = [each | {"ai_gateway": RULES} for each in provider.endpoints() if each["name"] == ECHO]
    config.write_text(json.dumps(found))
    return Live(folder, "--config", str(config), "--no-default-endpoint", "--workers", "2", "--drain-seconds", "5")


def rows(server: Live) -> list[dict[str, Any]]:
    """The table."""
    found: list[dict[str, Any]] = (
        DeltaTable(server.home / "tables" / "main" / "logs" / "live_payload").to_pyarrow_table().to_pylist()
    )
    return found


def waiting(server: Live) -> int:
    """Files in the spool."""
    return len(list((server.home / "payload-spool").glob("*/*/*/*.rows")))


def test_what_clients_were_told_is_in_the_table(provider: Provider, tmp_path: Path) -> None:
    """Whole answers and streams, with the client's own id: each once, after the server has ended."""
    server = start(provider, tmp_path)
    told = {}
    for name in range(20):
        reply = server.ask(ECHO, client_request_id=str(name), stream=name % 2 == 1)
        assert reply.status == 200
        told[str(name)] = reply
    server.stop()
    found = rows(server)
    assert Counter(each["client_request_id"] for each in found) == Counter(list(told))
    for each in found:
        answer = json.loads(each["response"])
        assert answer["object"] == "chat.completion"
        assert json.loads(each["request"])["client_request_id"] == each["client_request_id"]
        if int(each["client_request_id"]) % 2 == 0:
            assert each["response"] == told[each["client_request_id"]].body.decode()
        else:
            assert answer["choices"][0]["finish_reason"] == "stop"
    assert waiting(server) == 0


def test_while_the_home_takes_nothing_rows_wait(provider: Provider, tmp_path: Path) -> None:
    """As on a full disk: what ended meanwhile is in the table once there is room, and nothing is left of the tries."""
    server = start(provider, tmp_path)
    schema = server.home / "payload-spool" / "main" / "logs"
    schema.mkdir(parents=True, exist_ok=True)
    (schema / "live_payload").write_bytes(b"in the way")
    for name in range(10):
        assert server.ask(ECHO, client_request_id=str(name)).status == 200
    wait_until(lambda: any("wait in memory" in str(entry.get("message")) for entry in server.log()), "the log")
    (schema / "live_payload").unlink()
    wait_until(lambda: server.request("GET", "/api/2.0/health").json()["payload_rows_waiting"] == 0, "the spool")
    server.stop()
    assert sorted(each["client_request_id"] for each in rows(server)) == sorted(map(str, range(10)))


def test_a_server_that_is_killed_loses_nothing_older_than_the_bound(provider: Provider, tmp_path: Path) -> None:
    """Calls that ended longer ago than the bound are in the table after the next start, each once."""
    server = start(provider, tmp_path)
    for name in range(20):
        assert server.ask(ECHO, client_request_id=str(name)).status == 200
    time.sleep(BOUND)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    server.stop()
    assert waiting(server) > 0
    server = start(provider, tmp_path)
    assert server.request("POST", invocations(ECHO), {"messages": []}, token=TOKEN).status == 400
    wait_until(lambda: server.ask(ECHO, client_request_id="last").status == 200, "an answer")
    server.stop()
    names = [each["client_request_id"] for each in rows(server)]
    assert sorted(names) == sorted([*map(str, range(20)), "last"])
