"""`cloche tables`: the inference tables that this home has written, and what keeps them small.

It works on the tables, not on a server, which may run meanwhile.
"""

from __future__ import annotations

import importlib.util
from typing import Annotated

import typer

from cloche import settings
from cloche.cli import exits, output
from cloche.cli.exits import Failure
from cloche.cli.options import Json
from cloche.domain.payload import TableName
from cloche.store.payload_spool import SPOOL, PayloadSpool
from cloche.store.payload_tables import PayloadTables

_Names = Annotated[
    list[str] | None, typer.Argument(help="CATALOG.SCHEMA.TABLE; without any, all of them.", show_default=False)
]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Inference tables.", epilog="Example: cloche tables list", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("list", epilog="Example: cloche tables list --json")(list_)
    group.command("compact", epilog="Example: cloche tables compact main.logs.chat_payload")(compact)
    group.command("vacuum", epilog="Example: cloche tables vacuum")(vacuum)
    app.add_typer(group, name="tables")


def list_(json: Json = False) -> None:
    """Show the tables: where they are, rows, files and bytes."""
    tables, names = _chosen(None)
    known = [(name, figures) for name in names if (figures := tables.figures(name)) is not None]
    if json:
        output.data([{"table": str(name), "location": tables.location(name), **had._asdict()} for name, had in known])
        return
    rows = [(str(name), str(had.rows), str(had.files), output.size(had.bytes)) for name, had in known]
    output.table(
        ("TABLE", "ROWS", "FILES", "SIZE", "LOCATION"),
        [(*row, tables.location(name)) for row, (name, _) in zip(rows, known, strict=True)],
    )


def compact(names: _Names = None) -> None:
    """Make few files of many small ones.  The old ones stay until a vacuum."""
    tables, chosen = _chosen(names)
    for name in chosen:
        output.line(f"{name}: {tables.compact(name)} files were put together")


def vacuum(names: _Names = None) -> None:
    """Remove files that are in the table no more, and not since a week."""
    tables, chosen = _chosen(names)
    for name in chosen:
        output.line(f"{name}: {tables.vacuum(name)} files are removed")


def _chosen(given: list[str] | None) -> tuple[PayloadTables, list[TableName]]:
    """The tables that are named, or all; usage errors for one that this home has not written."""
    if importlib.util.find_spec("deltalake") is None:
        raise Failure("this needs deltalake: install cloche with its extra 'tables'", exits.USAGE)
    told = settings.load({}, settings.environment()).settings
    known = {str(name): name for name in PayloadSpool(told.home / SPOOL).tables()}
    for name in given or ():
        if name not in known:
            raise Failure(f"this home has not written a table '{name}': see `cloche tables list`", exits.NOT_FOUND)
    return PayloadTables.at(told.tables_url, told.home), [known[name] for name in given or known]
