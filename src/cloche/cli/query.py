"""`cloche query`: one prompt in, one answer out, for pipes."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import msgspec
import typer

from cloche.cli import exits, output
from cloche.cli.client import Json as JsonObject
from cloche.cli.client import Server, invocations, plain
from cloche.cli.exits import Failure
from cloche.cli.options import Json, talks_to_server


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("query", epilog='Example: cloche query my-endpoint "What is a glass bell?"')(talks_to_server(query))


def query(
    server: Server,
    endpoint: Annotated[str, typer.Argument(help="Name of the endpoint.", show_default=False)],
    prompt: Annotated[
        str | None, typer.Argument(help="The prompt; `-` or none reads it from standard input.", show_default=False)
    ] = None,
    json: Json = False,
    no_stream: Annotated[bool, typer.Option("--no-stream", help="Print the answer when it is complete.")] = False,
) -> None:
    """Send one prompt and print the answer.  With --json, print the server's answer as it came."""
    request: JsonObject = {"messages": [{"role": "user", "content": _prompt(prompt)}]}
    if json:
        output.data(msgspec.Raw(server.call("POST", invocations(endpoint), request)))
    elif no_stream:
        output.line(_whole_text(server.post(invocations(endpoint), request)))
    else:
        for piece in server.ask(endpoint, request):
            output.text(piece)
        output.line("")


def _prompt(given: str | None) -> str:
    if given is not None and given != "-":
        return given
    if given is None and sys.stdin.isatty():
        raise Failure("no prompt: give one after the endpoint, or pipe it in", exits.USAGE)
    text = sys.stdin.read()
    if not text.strip():
        raise Failure("standard input held no prompt", exits.USAGE)
    return text


def _whole_text(answer: dict[str, Any]) -> str:
    choices = answer.get("choices") or [{}]
    return plain((choices[0].get("message") or {}).get("content"))
