"""Inference tables: rows come from the spool into real Delta tables once, whatever is killed when."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from cloche.bootstrap.table_keeper import bring
from cloche.domain.payload import PayloadRow, TableName
from cloche.store.payload_spool import SPOOL, Claim, PayloadSpool
from cloche.store.payload_tables import PayloadTables

TABLE = TableName("main", "logs", "chat_payload")
NOON = 1_767_268_800_000  # 2026-01-01T12:00:00Z
DAY = 86_400_000
PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def payload(name: str, day: int = 0, **fields: Any) -> PayloadRow:
    """A row."""
    usual: dict[str, Any] = {
        "client_request_id": None,
        "request_time": NOON + day * DAY,
        "status_code": 200,
        "execution_duration_ms": 12,
        "request": '{"messages":[{"role":"user","content":"hi"}]}',
        "response": '{"usage":{"prompt_tokens":3,"completion_tokens":2}}',
        "logging_error_codes": [],
        "served_entity_id": "e1",
        "requester": "ann",
    }
    return PayloadRow(databricks_request_id=name, **usual | fields)


def ids(home: Path) -> list[str]:
    """The ids in the table, sorted."""
    opened = DeltaTable(PayloadTables.at(None, home).location(TABLE))
    found: list[str] = opened.to_pyarrow_table(columns=["databricks_request_id"])["databricks_request_id"].to_pylist()
    return sorted(found)


def made(home: Path) -> tuple[PayloadSpool, PayloadTables]:
    """The spool and the tables of a home."""
    return PayloadSpool(home / SPOOL), PayloadTables.at(None, home)


def test_the_schema_is_that_of_databricks(tmp_path: Path) -> None:
    """Names, order and types are those of an inference table; the day is UTC's and divides the table."""
    spool, tables = made(tmp_path)
    spool.keep(
        TABLE, [payload("1", logging_error_codes=["A", "B"]), payload("2", request=None, request_time=DAY - 1)], 1
    )
    bring(spool, tables, TABLE)
    opened = DeltaTable(tables.location(TABLE))
    told = opened.to_pyarrow_table().sort_by("databricks_request_id")
    assert [(field.name, str(field.type)) for field in told.schema] == [
        ("databricks_request_id", "string"),
        ("request_date", "date32[day]"),
        ("client_request_id", "string"),
        ("request_time", "timestamp[us, tz=UTC]"),
        ("status_code", "int32"),
        ("sampling_fraction", "double"),
        ("execution_duration_ms", "int64"),
        ("request", "string"),
        ("response", "string"),
        ("logging_error_codes", "list<element: string>"),
        ("served_entity_id", "string"),
        ("requester", "string"),
    ]
    assert opened.metadata().partition_columns == ["request_date"]
    first, second = told.to_pylist()
    assert (str(first["request_date"]), str(second["request_date"])) == ("2026-01-01", "1970-01-01")
    assert first["request_time"].timestamp() * 1000 == NOON
    assert (first["logging_error_codes"], second["logging_error_codes"]) == (["A", "B"], [])
    assert (first["sampling_fraction"], second["request"]) == (1.0, None)


def test_the_queries_of_the_page_run(tmp_path: Path) -> None:
    """Every query that docs/tables.md shows gives rows in DuckDB."""
    spool, tables = made(tmp_path)
    spool.keep(
        TABLE, [payload("1"), payload("2", status_code=429, response='{"error_code":"REQUEST_LIMIT_EXCEEDED"}')], 1
    )
    bring(spool, tables, TABLE)
    queries = PAGE.read_text().split("```sql\n")[1:]
    assert queries
    with duckdb.connect() as connection:
        connection.register("chat_payload", DeltaTable(tables.location(TABLE)).to_pyarrow_dataset())
        for query in queries:
            assert connection.sql(query.partition("```")[0]).to_arrow_table().num_rows


def test_who_opens_a_table_reads_few_commits(tmp_path: Path) -> None:
    """Each tenth commit, the first is 0, leaves a checkpoint: opening costs memory for each commit since the newest."""
    tables = made(tmp_path)[1]
    for number in range(1, 12):
        tables.append(TABLE, [payload(str(number))], "w", number)
    newest = Path(tables.location(TABLE), "_delta_log", "_last_checkpoint")
    assert msgspec.json.decode(newest.read_bytes())["version"] == 9


def test_a_claim_that_was_committed_is_not_brought_again(tmp_path: Path) -> None:
    """After a crash between the commit and the end of the files, the table tells that it has them."""
    spool, tables = made(tmp_path)
    spool.keep(TABLE, [payload("1")], 1)
    claim = spool.claim(TABLE, 1, 1 << 20)
    tables.append(TABLE, spool.rows(TABLE, claim), spool.writer(), 1)
    bring(spool, tables, TABLE)
    assert ids(tmp_path) == ["1"]
    assert not spool.waits(TABLE)


def test_a_claim_that_was_not_committed_is_brought_alone(tmp_path: Path) -> None:
    """After a crash before the commit, what was claimed goes in first, and what came since in the next."""
    spool, tables = made(tmp_path)
    spool.keep(TABLE, [payload("1")], 1)
    assert spool.claim(TABLE, 1, 1 << 20).number == 1
    spool.keep(TABLE, [payload("2")], 2)
    bring(spool, tables, TABLE)
    assert ids(tmp_path) == ["1", "2"]
    assert tables.number(TABLE, spool.writer()) == 2


def test_a_damaged_file_stops_nothing(tmp_path: Path) -> None:
    """A file that cannot be read is set aside, and the others come into the table."""
    spool, tables = made(tmp_path)
    spool.keep(TABLE, [payload("1")], 1)
    [kept] = (tmp_path / SPOOL).glob("*/*/*/*.rows")
    kept.with_name("0.rows").write_bytes(b"\x01")
    bring(spool, tables, TABLE)
    assert ids(tmp_path) == ["1"]
    assert [path.suffix for path in kept.parent.iterdir()] == [".unreadable"]


def test_what_waits_is_brought_in_bounded_commits(tmp_path: Path) -> None:
    """A claim has the oldest files, as many as there may be bytes, and at least one."""
    spool, _ = made(tmp_path)
    for number in range(4):
        spool.keep(TABLE, [payload(str(number), request="x" * 1000)], number)
    assert len(spool.claim(TABLE, 1, 3000).files) == 2
    assert isinstance(spool.claimed(TABLE), Claim)
    assert len(spool.claim(TABLE, 1, 1).files) == 1


def test_tables_are_kept_small(tmp_path: Path) -> None:
    """Compaction makes one file of a day's, forgetting takes whole days, and no other row is touched."""
    spool, tables = made(tmp_path)
    for number in range(5):
        spool.keep(TABLE, [payload(f"{number}-{day}", day) for day in range(2)], number)
        bring(spool, tables, TABLE)
    assert tables.compact(TABLE) == 10
    figures = tables.figures(TABLE)
    assert figures is not None
    assert (figures.rows, figures.files) == (10, 2)
    assert tables.vacuum(TABLE) == 0  # what was left out a moment ago may still be read
    assert tables.forget(TABLE, "2026-01-02") == 5
    assert ids(tmp_path) == [f"{number}-1" for number in range(5)]
    assert isinstance(DeltaTable(tables.location(TABLE)).to_pyarrow_table(), pa.Table)


KILLED = """
import os, sys, threading, time
sys.path[:0] = [sys.argv[2]]
from pathlib import Path
from cloche.bootstrap.table_keeper import bring
from store.test_payload_tables import TABLE, made, payload

home, begun = Path(sys.argv[1]), time.time_ns()
spool, tables = made(home)

def host():
    while True:
        for table in spool.tables():
            bring(spool, tables, table)

bring_soon = threading.Thread(target=host, daemon=True)
bring_soon.start()
for number in range(10**9):
    name = f"{begun}-{number}"
    spool.keep(TABLE, [payload(name, fields) for fields in (0, 1)], time.time_ns())
    print(name, flush=True)
"""


@pytest.mark.parametrize("seed", range(2))
def test_what_was_acknowledged_is_there_once(tmp_path: Path, seed: int) -> None:
    """However often whoever keeps and brings is killed, every row that was in the spool is in the table once."""
    dice = random.Random(seed)
    acknowledged: set[str] = set()
    for _ in range(4):
        start = [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parents[1])]
        with subprocess.Popen(start, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            acknowledged.add(process.stdout.readline().strip())
            time.sleep(dice.uniform(0.02, 0.5))
            process.kill()
            lines = process.stdout.read().split("\n")
        acknowledged |= set(lines[:-1])
    spool, tables = made(tmp_path)
    bring(spool, tables, TABLE)
    found = ids(tmp_path)
    assert len(acknowledged) > 20
    assert all(found.count(name) == 2 for name in acknowledged), "each was kept on two days"
    assert len(found) <= 2 * (len(acknowledged) + 4), "at most the one that was being kept, of each killed process"
