"""`cloche db`: copy the database, put a copy back, and see whether it is sound.  It works on files, not on a server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from cloche import settings
from cloche.cli import exits, output
from cloche.cli.exits import Failure, problems_as_failures
from cloche.settings import Settings

_DAY_MS = 86_400_000
_USE_PG_DUMP = (
    "database_url names a PostgreSQL database, which has its own tools: "
    "copy it with pg_dump, put the copy back with pg_restore, and keep the master key with it"
)


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="The server's database.", epilog="Example: cloche db check", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("backup", epilog="Example: cloche db backup ./cloche-monday.db")(backup)
    group.command("restore", epilog="Example: cloche db restore ./cloche-monday.db")(restore)
    group.command("check", epilog="Example: cloche db check")(check)
    group.command("prune-usage", epilog="Example: cloche db prune-usage --older-than 90")(prune_usage)
    app.add_typer(group, name="db")


def backup(file: Annotated[Path, typer.Argument(help="Where to; it must not exist yet.", show_default=False)]) -> None:
    """Copy the database to a file, while the server runs or not."""
    told = _settings_of_a_file()
    from cloche.store import upkeep  # late, as in `doctor`

    with problems_as_failures():
        upkeep.backup(told.home, file)
    output.note(f"copied to {file}; it can be read only with the master key, so keep a copy of that too, elsewhere")


def restore(file: Annotated[Path, typer.Argument(help="A copy made by `backup`.", show_default=False)]) -> None:
    """Put a copy in place of the database; the server must not run.  The old database is kept aside."""
    told = _settings_of_a_file()
    settings.prepare_home(told)
    from cloche.store import upkeep

    with problems_as_failures():
        old = upkeep.restore(told.home, file, time.time_ns() // 1_000_000)
    output.note(f"restored from {file}; the master key must be the one of that time: see `cloche db check`")
    if old is not None:
        output.note(f"the database that was there is kept as {old}")


def check() -> None:
    """See that the database is whole, its secrets open with the master key, and no reference leads nowhere."""
    told = settings.load({}, settings.environment()).settings
    from cloche.control import upkeep

    with problems_as_failures():
        found = upkeep.findings(told)
    for finding in found:
        output.line(finding)
    if found:
        raise typer.Exit(exits.ERROR)
    output.note("the database is sound")


def prune_usage(
    older_than: Annotated[int, typer.Option(help="Days.", min=1, max=36_500, show_default=False)],
) -> None:
    """Forget the rows of usage that are older than so many days, while the server runs or not."""
    told = settings.load({}, settings.environment()).settings
    from cloche.control import usage

    with problems_as_failures():
        pruned = usage.prune(told, time.time_ns() // 1_000_000 - older_than * _DAY_MS)
    output.note(f"{pruned} rows of usage are forgotten")


def _settings_of_a_file() -> Settings:
    told = settings.load({}, settings.environment()).settings
    if told.database_url is not None:
        raise Failure(_USE_PG_DUMP, exits.USAGE)
    return told
