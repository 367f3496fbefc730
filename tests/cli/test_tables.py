"""`cloche tables`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from cloche.bootstrap.table_keeper import bring
from cloche.cli import exits
from cloche.cli.exits import Failure
from cloche.cli.main import app
from cloche.domain.payload import PayloadRow, TableName
from cloche.store.payload_spool import SPOOL, PayloadSpool
from cloche.store.payload_tables import PayloadTables

TABLE = TableName("main", "logs", "chat_payload")


def run(home: Path, *words: str) -> Result:
    """What a command prints, or how it fails."""
    return CliRunner().invoke(app(), ("tables", *words), env={"CLOCHE_HOME": str(home)})


def filled(home: Path) -> PayloadTables:
    """A table of three commits of a row."""
    spool, tables = PayloadSpool(home / SPOOL), PayloadTables.at(None, home)
    for number in range(3):
        spool.keep(TABLE, [PayloadRow(str(number), None, 0, 200, 1, "{}", "{}", [], None, None)], number)
        bring(spool, tables, TABLE)
    return tables


def test_tables_are_shown(tmp_path: Path) -> None:
    """Each table with its rows, files and place; none where nothing was ever written."""
    assert json.loads(run(tmp_path, "list", "--json").stdout) == []
    tables = filled(tmp_path)
    [told] = json.loads(run(tmp_path, "list", "--json").stdout)
    assert (told["table"], told["rows"], told["files"]) == (str(TABLE), 3, 3)
    assert told["location"] == tables.location(TABLE)
    headings, line = run(tmp_path, "list").stdout.splitlines()
    assert headings.split() == ["TABLE", "ROWS", "FILES", "SIZE", "LOCATION"]
    assert line.split()[:3] == [str(TABLE), "3", "3"]


def test_a_table_is_compacted_and_cleaned(tmp_path: Path) -> None:
    """Files are put together; those that may still be read stay."""
    tables = filled(tmp_path)
    assert run(tmp_path, "compact", str(TABLE)).stdout == f"{TABLE}: 3 files were put together\n"
    assert run(tmp_path, "vacuum").stdout == f"{TABLE}: 0 files are removed\n"
    figures = tables.figures(TABLE)
    assert figures is not None
    assert (figures.rows, figures.files) == (3, 1)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    """A name that this home has not written is told of, whatever it looks like."""
    filled(tmp_path)
    failed = run(tmp_path, "compact", "../../etc")
    assert isinstance(failed.exception, Failure)
    assert failed.exception.code == exits.NOT_FOUND
