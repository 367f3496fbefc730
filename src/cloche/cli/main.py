"""The command `cloche`: its parts, and the boundary where failures become a line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import cloche
from cloche.cli import (
    apply,
    audit,
    budget,
    calls,
    chat,
    db,
    doctor,
    endpoint,
    exits,
    guardrail,
    health,
    models,
    people,
    permission,
    provider,
    query,
    secret,
    serve,
    tables,
    token,
    usage,
)
from cloche.cli.exits import Failure
from cloche.settings import SettingsError

EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 wrong use or setting, 3 token refused, 4 not found, 5 no server, 130 interrupted."
    "\n\nExample: cloche serve"
)


def show_version(wanted: bool) -> None:
    """Print the version and leave, if wanted."""
    if wanted:
        sys.stdout.write(f"cloche {cloche.__version__}\n")
        raise typer.Exit


def app() -> typer.Typer:
    """All commands."""
    root = typer.Typer(
        help="Self-hosted model serving for chat models.",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    root.callback()(describe)
    serve.add_to(root)
    chat.add_to(root)
    query.add_to(root)
    apply.add_to(root)
    doctor.add_to(root)
    health.add_to(root)
    endpoint.add_to(root)
    models.add_to(root)
    provider.add_to(root)
    guardrail.add_to(root)
    token.add_to(root)
    people.add_to(root)
    permission.add_to(root)
    secret.add_to(root)
    audit.add_to(root)
    usage.add_to(root)
    calls.add_to(root)
    budget.add_to(root)
    tables.add_to(root)
    db.add_to(root)
    return root


def describe(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Self-hosted model serving for chat models."""


def main() -> None:
    """Run the command line.  Never returns."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character must not end the answer
    try:
        app()()
    except Failure as failure:
        _leave(str(failure), failure.code)
    except SettingsError as error:
        _leave(str(error), exits.USAGE)
    except Exception as error:  # noqa: BLE001  # the edge: people get a sentence, not a traceback
        _leave(f"unexpected failure, please report it: {type(error).__name__}: {error}", exits.ERROR)


def _leave(message: str, code: int) -> None:
    sys.stderr.writelines(f"cloche: {line}\n" for line in message.splitlines())
    sys.exit(code)
