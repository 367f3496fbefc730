"""`cloche serve`: read the settings and hand them over.  The only command that brings the server up."""

from __future__ import annotations

import gc

import typer

from cloche import settings
from cloche.cli import exits, progress
from cloche.cli.exits import Failure, problems_as_failures
from cloche.cli.options import settings_as_flags


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    epilog = "Example: cloche serve --port 8081 --endpoint my-endpoint=smollm2-135m-instruct"
    app.command("serve", epilog=epilog)(settings_as_flags(serve))


def serve(**flags: object) -> None:
    """Serve endpoints until stopped.  Every option can also be set by the variable in brackets or in cloche.toml."""
    loaded = settings.load(flags, settings.environment())
    # Late, because the other commands need none of the server and should start at once.  What is imported stays: a
    # collector that looks for garbage in it finds none, and took a tenth of the start.
    gc.disable()
    from cloche import bootstrap
    from cloche.control.declared import InvalidConfiguration

    gc.freeze()
    gc.enable()
    try:
        with problems_as_failures(), progress.shown() as told:
            bootstrap.serve(loaded.settings, told)
    except InvalidConfiguration as error:
        raise Failure(str(error), exits.USAGE) from error
    except bootstrap.CannotStart as error:
        raise Failure(str(error)) from error
