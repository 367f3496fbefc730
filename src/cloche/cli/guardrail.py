"""`cloche guardrail`: what the guardrails of an endpoint would do with a text."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cloche.cli import output
from cloche.cli.client import Server, endpoint_path
from cloche.cli.options import Json, talks_to_server


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Guardrails of endpoints.",
        epilog="Example: cloche guardrail test my-endpoint 'write to bob@example.com'",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    # With a callback it stays a group, although it has only one command.
    group.callback()(describe)
    group.command("test", epilog="Example: cloche guardrail test my-endpoint --output < answer.txt")(
        talks_to_server(try_text)
    )
    app.add_typer(group, name="guardrail")


def describe() -> None:
    """Guardrails of endpoints."""


def try_text(
    server: Server,
    name: Annotated[str, typer.Argument(help="Name of the endpoint.", show_default=False)],
    text: Annotated[str | None, typer.Argument(help="The text; without it, standard input.")] = None,
    of_answers: Annotated[
        bool, typer.Option("--output", help="Try the guardrails of answers, not those of what is asked.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what would become of a text, and what personal data is in it.  No model is asked but a judge."""
    text = sys.stdin.read() if text is None else text
    side = "output" if of_answers else "input"
    told = server.post(endpoint_path(name, "/guardrails/test"), {"text": text, "side": side})
    if json:
        output.data(told)
        return
    output.line(f"{told['action']}: {told['reason']}" if told["reason"] else told["action"])
    if told["text"] is not None:
        output.line(told["text"])
    scores = [(name, f"{score:g}") for name, score in (told["category_scores"] or {}).items()]
    if scores:
        output.table(("CATEGORY", "SCORE"), scores)
    rows = [(each["kind"], str(each["start"]), str(each["end"])) for each in told["findings"]]
    if rows:
        output.table(("FOUND", "FROM", "TO"), rows)
