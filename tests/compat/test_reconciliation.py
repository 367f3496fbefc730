"""Ten thousand calls against a provider that fails at random: its ledger, what the callers saw, the usage table and the
payload table tell the same story."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from deltalake import DeltaTable

from .fickle import Fickle
from .live import Live, invocations, raw_request, wait_until

CALLS = 10_000
CALLERS = 24
SEED = 5
ENDPOINT = "fickle"
LIMITED = "limited"
ROOM = 40

STATUS = {"ok": 200, "slow": 200, "failed": 502, "busy": 429, "cut": 502, "reset": 502}
"""What a caller gets for what the provider does; of a stream that is cut it is 200, which was sent before."""


class Seen(NamedTuple):
    """What a caller knows of a call.  `status` 0: it hung up."""

    endpoint: str
    stream: bool
    status: int


def described(provider: Fickle) -> list[dict[str, Any]]:
    """Two endpoints with both tables; one takes few calls a minute."""
    settings = {"openai_api_key_plaintext": "sk-fake", "openai_api_base": f"http://127.0.0.1:{provider.port}/v1"}
    model = {"name": "m", "provider": "openai", "task": "llm/v1/chat", "openai_config": settings}
    table = {"enabled": True, "catalog_name": "main", "schema_name": "logs", "table_name_prefix": "all"}
    rules: dict[str, Any] = {"usage_tracking_config": {"enabled": True}, "inference_table_config": table}
    config = {"served_entities": [{"name": "one", "external_model": model}]}
    limit = {"calls": ROOM, "key": "endpoint", "renewal_period": "minute"}
    return [
        {"name": ENDPOINT, "config": config, "ai_gateway": rules},
        {"name": LIMITED, "config": config, "ai_gateway": rules | {"rate_limits": [limit]}},
    ]


@pytest.fixture
def provider() -> Iterator[Fickle]:
    """The provider."""
    with Fickle(SEED).running() as running:
        yield running


async def make_calls(port: int) -> dict[str, Seen]:
    """All calls, by many callers at once; what each saw."""
    names = iter(range(CALLS))
    seen: dict[str, Seen] = {}

    async def caller() -> None:
        for number in names:
            name = f"call-{number}"
            seen[name] = await _call(port, name, random.Random(f"{SEED} {number}"))

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await asyncio.sleep(0.05)  # sockets that were given up are closed in a turn of their own
    return seen


async def _call(port: int, name: str, dice: random.Random) -> Seen:
    endpoint = LIMITED if dice.random() < 0.05 else ENDPOINT
    stream = dice.random() < 0.4
    body = {"messages": [{"role": "user", "content": name}], "client_request_id": name, "stream": stream}
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw_request(invocations(endpoint), body).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        if dice.random() < 0.06:
            # Late enough that the request is read: what is given up before that is no call.
            await (reader.read(20) if dice.random() < 0.5 else asyncio.sleep(0.01))
            return Seen(endpoint, stream, 0)
        answer = await reader.read()
        while piece := await reader.read():
            answer += piece
        return Seen(endpoint, stream, int(answer[9:12]))
    finally:
        writer.transport.abort()


def usage_rows(server: Live) -> list[dict[str, Any]]:
    """The usage table."""
    with closing(sqlite3.connect(f"{(server.home / 'cloche.db').as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM endpoint_usage")]


def payload_rows(server: Live) -> list[dict[str, Any]]:
    """The payload table."""
    table = DeltaTable(server.home / "tables" / "main" / "logs" / "all_payload")
    found: list[dict[str, Any]] = table.to_pyarrow_table().to_pylist()
    return found


def expected_status(told: Seen, provider: Fickle, name: str) -> int:
    """What the provider's ledger says that the caller must have got."""
    kind = provider.ledger[name][-1].kind
    return 200 if kind == "cut" and told.stream else STATUS[kind]


def test_ledger_callers_and_tables_agree(provider: Fickle, tmp_path: Path) -> None:
    """Every call has one row in each table, with the status that its caller saw and the tokens that the provider told;
    nobody was told a success that was none; and there is no other row."""
    config = tmp_path / "endpoints.json"
    config.write_text(json.dumps(described(provider)))
    server = Live(tmp_path, "--config", str(config), "--no-default-endpoint", "--workers", "2")
    try:
        seen = asyncio.run(make_calls(server.port))
        wait_until(lambda: len(usage_rows(server)) >= CALLS, "the usage rows")
    finally:
        server.stop()
    usage, payloads = usage_rows(server), payload_rows(server)
    assert Counter(row["client_request_id"] for row in usage) == Counter(dict.fromkeys(seen, 1))
    assert Counter(row["client_request_id"] for row in payloads) == Counter(dict.fromkeys(seen, 1))

    logged = {row["client_request_id"]: row for row in payloads}
    wrong = []
    for row in usage:
        name = row["client_request_id"]
        told, payload, deeds = seen[name], logged[name], provider.ledger.get(name, [])
        faults = {
            "endpoint": row["endpoint_name"] != told.endpoint,
            "asked": deeds == [] and row["status_code"] not in (429, 499),
            "status": told.status not in (0, row["status_code"]),
            "tables": payload["status_code"] != row["status_code"]
            or payload["databricks_request_id"] != row["databricks_request_id"],
            "request": payload["request"] is not None and name not in payload["request"],
        }
        if deeds and told.status:
            deed = deeds[-1]
            well = deed.kind in ("ok", "slow")
            faults["deed"] = told.status != expected_status(told, provider, name)
            faults["outcome"] = row["outcome"] != ("ok" if well else "error")
            if well:
                counted = (row["input_token_count"], row["output_token_count"], row["estimated"])
                faults["tokens"] = counted != (deed.prompt_tokens, deed.completion_tokens, 0)
                answer = json.loads(payload["response"])
                faults["answer"] = answer["usage"]["completion_tokens"] != deed.completion_tokens
        wrong += [(name, told, [fault for fault, holds in faults.items() if holds], row, deeds)] * any(faults.values())
    assert wrong == [], wrong[:5]
    refused = [name for name, told in seen.items() if told.endpoint == LIMITED and name not in provider.ledger]
    assert refused, "the limit must have refused some"
    assert sum(told.status == 0 for told in seen.values()) > CALLS * 0.04
