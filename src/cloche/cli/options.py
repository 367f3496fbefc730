"""Options that many commands share, added to a command by a decorator so that no command repeats them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from cloche import settings
from cloche.cli.client import Server

Params = ParamSpec("Params")

Url = Annotated[
    str | None, typer.Option("--url", help="Server (CLOCHE_URL, DATABRICKS_HOST; else http://127.0.0.1:8080).")
]
TokenValue = Annotated[
    str | None, typer.Option("--token", help="Token (CLOCHE_TOKEN, DATABRICKS_TOKEN).", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def talks_to_server(command: Callable[Concatenate[Server, Params], None]) -> Callable[..., None]:
    """Give a command whose first parameter is the server the options that say which server."""

    @wraps(command)
    def run(*, url: str | None, token: str | None, **options: Any) -> None:
        command(Server(settings.client(url, token, settings.environment())), **options)  # type: ignore[call-arg]

    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    shared = [_option("url", Url), _option("token", TokenValue)]
    return with_signature(run, [*own, *shared])


def settings_as_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one flag for each setting that has one; it is called with the values by field name, as text."""

    @wraps(command)
    def run(**flags: object) -> None:
        command(**flags)

    return with_signature(run, [_setting(name) for name in settings.fields() if settings.flag(name)])


def with_signature(command: Callable[..., None], parameters: list[inspect.Parameter]) -> Callable[..., None]:
    """The command, seen by Typer as a function of these parameters."""
    by_keyword = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    command.__signature__ = inspect.Signature(by_keyword)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in by_keyword}
    return command


def _option(name: str, annotation: object, default: object = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _setting(name: str) -> inspect.Parameter:
    field, flag = settings.fields()[name], str(settings.flag(name))
    default = settings.default(name)
    help_text = f"{field.help} [{', '.join(settings.variables(name))}]"
    if isinstance(default, bool):
        info = typer.Option(f"{flag}/--no-{flag.removeprefix('--')}", help=help_text, show_default=False)
        return _option(name, Annotated[bool | None, info])
    many = isinstance(default, tuple)
    info = typer.Option(flag, help=help_text, show_default=False, metavar=field.unit.upper() or "VALUE")
    return _option(name, Annotated[list[str] | None if many else str | None, info])
