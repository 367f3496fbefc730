"""How a live server says that it is: with everything there, and with one thing after another taken away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cloche.cli.main import app
from databases import Postgres
from valkeys import Valkey

from .live import MODEL, TOKEN, Live, wait_until
from .provider import Provider

PATH = "/api/2.0/health"


@pytest.fixture
def database(postgres: Postgres, postgres_url: str) -> Iterator[str]:
    """A database whose server the test may stop; afterwards it runs."""
    yield postgres_url
    postgres.stop()
    postgres.start()


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A Valkey that the test may stop."""
    with Valkey() as valkey:
        yield valkey


def command(live: Live) -> Result:
    """`cloche health`."""
    return CliRunner().invoke(app(), ["health"], env=live.environ | {"CLOCHE_URL": live.url, "CLOCHE_TOKEN": TOKEN})


def stranger(live: Live) -> str:
    """A token of somebody who is no administrator."""
    path = "/api/2.0/preview/scim/v2/ServicePrincipals"
    made = live.request("POST", path, {"displayName": "onlooker"}).json()
    body = {"application_id": made["applicationId"]}
    return str(live.request("POST", "/api/2.0/token-management/on-behalf-of/tokens", body).json()["token_value"])


def test_what_is_well_and_what_is_not(
    database: str, postgres: Postgres, valkey: Valkey, provider: Provider, tmp_path: Path
) -> None:
    """Database, Valkey and breakers are told as they are, before, during and after an outage; others learn little."""
    endpoints = [each for each in provider.endpoints() if each["name"] in ("echo", "failing")]
    for each in endpoints:
        each["ai_gateway"] = {"circuit_breaker_config": {"enabled": True, "min_calls": 1, "open_seconds": 600}}
    config = tmp_path / "endpoints.json"
    config.write_text(json.dumps(endpoints))
    flags = ["--config", str(config), "--no-default-endpoint", "--database-url", database, "--valkey-url", valkey.url]
    live = Live(tmp_path, *flags)
    try:

        def told(token: str = TOKEN) -> Any:
            reply = live.request("GET", PATH, token=token)
            assert reply.status == 200, reply.body
            return reply.json()

        well = told()
        assert (well["status"], well["problems"], well["workers"]) == ("ok", [], 1)
        assert well["endpoints"] == {"total": 2, "ready": 2, "failed": 0}
        assert well["database"].items() >= {"kind": "postgresql", "reachable": True}.items()
        assert 0 < well["database"]["latency_ms"] < 10_000
        assert well["valkey"] == {"configured": True, "reachable": True}
        assert (well["home"]["problem"], well["home"]["free_bytes"] > 0) == (None, True)
        assert (well["engines"], well["usage_rows_waiting"], well["log_lines_lost"]) == ([], 0, 0)
        assert well["resident_bytes"] > 1_000_000
        token = stranger(live)
        assert told(token).keys() == {"status", "version", "started_at", "workers", "endpoints"}
        live.ask("failing")
        assert {"endpoint": "failing", "entity": "failing", "state": "OPEN"} in told()["breakers"]
        assert told(token)["status"] == "degraded"
        valkey.stop()
        postgres.stop()
        wait_until(lambda: len(told()["problems"]) == 3, "the outages to be seen")
        ill = told()
        assert (ill["database"]["reachable"], ill["database"]["latency_ms"]) == (False, None)
        assert ill["valkey"]["reachable"] is False
        ran = command(live)
        assert ran.exit_code == 1
        assert "does not answer" in ran.stdout
        postgres.start()
        valkey.start()
        wait_until(lambda: len(told()["problems"]) == 1, "the outages to be over")
    finally:
        live.stop()


def test_engines_are_told(live: Live) -> None:
    """A local model is there with its state and its line, and nothing is wrong."""
    told = live.request("GET", PATH).json()
    engine = {"model": MODEL, "state": "DEPLOYMENT_READY", "message": "", "waiting": 0, "active": 0}
    assert (told["engines"], told["valkey"], told["database"]["kind"]) == ([engine], None, "sqlite")
    ran = command(live)
    assert ran.exit_code == 0, ran.stdout
    assert f"model {MODEL}: DEPLOYMENT_READY, 0 active, 0 waiting" in ran.stdout
