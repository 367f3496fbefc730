"""`cloche usage` and `cloche db prune-usage`, as they are typed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from cloche.cli.main import app
from cloche.store.database import open_store
from databases import MASTER_KEYS
from usage_rows import add, call, sums

SUM = {
    "group": {"user": "ann"},
    "calls": 3,
    "errors": 1,
    "cancelled": 0,
    "input_tokens": 30,
    "output_tokens": 3,
    "estimated_calls": 0,
    "latency_ms_p50": 12.4,
    "latency_ms_p95": 20.0,
    "latency_ms_p99": 20.0,
    "cost_usd": 0.01234,
    "unpriced_calls": 1,
}


class Stage(BaseHTTPRequestHandler):
    """A server with two pages of usage."""

    def do_GET(self) -> None:
        """A page."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if query.get("format") == "csv":
            data = b"user,calls\r\nann,3\r\n"
        elif "page_token" in query:
            data = json.dumps({"usage": [SUM | {"group": {"user": None}}]}).encode()
        else:
            assert query == {"group_by": "user", "from": "2026-01-01", "endpoint": "first"}
            data = json.dumps({"usage": [SUM], "next_page_token": "1"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """Where that server listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Stage) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def run(*words: str, **environ: str) -> str:
    """What a command prints."""
    told = CliRunner().invoke(app(), words, env=dict(environ), catch_exceptions=False)
    assert told.exit_code == 0, told.output
    return told.output


WORDS = ("usage", "--group-by", "user", "--from", "2026-01-01", "--endpoint", "first", "--token", "dapi0")


def test_a_table_of_all_pages(url: str) -> None:
    """Groups and counts stand in columns, page after page, and what has no group is a dash."""
    headings, ann, nobody = run(*WORDS, "--url", url).splitlines()
    assert headings.split()[:2] == ["USER", "CALLS"]
    assert ann.split() == ["ann", "3", "1", "30", "3", "0.0123+", "12", "20", "20"]
    assert nobody.split()[0] == "-"


def test_json_and_csv(url: str) -> None:
    """JSON has every page; CSV is what the server gives."""
    assert [each["group"]["user"] for each in json.loads(run(*WORDS, "--url", url, "--json"))] == ["ann", None]
    assert run(*WORDS, "--url", url, "--csv").splitlines() == ["user,calls", "ann,3"]


def test_old_rows_are_forgotten(tmp_path: Path) -> None:
    """Rows older than so many days go, and the command says how many."""
    store = open_store(tmp_path, MASTER_KEYS)
    add(store, call(1, request_time=0), call(2, request_time=4_102_444_800_000))
    output = run("db", "prune-usage", "--older-than", "30", CLOCHE_HOME=str(tmp_path))
    with store.read() as work:
        assert work.usage.known_entities() == set()
    assert output.startswith("1 rows of usage")
    assert len(sums(store)) == 1
    store.close()
