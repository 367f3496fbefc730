"""`cloche calls`: the log of calls, looked through, one by one, or as they end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from cloche.cli import output
from cloche.cli.client import Server
from cloche.cli.options import Json, talks_to_server

_PATH = "/api/2.0/calls"
_PAGE = 1000
_HEADINGS = ("TIME (UTC)", "STATUS", "ENDPOINT", "ENTITY", "USER", "IN", "OUT", "MS", "REQUEST ID")

Endpoint = Annotated[str | None, typer.Option(help="Calls to this endpoint alone.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="The log of calls.",
        epilog="Example: cloche calls list --status error",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for name, command, example in (
        ("list", list_calls, "cloche calls list --endpoint support-bot --status error"),
        ("show", show, "cloche calls show 0198a5b2-7c55-7f0e-9d3e-000000000001"),
        ("follow", follow, "cloche calls follow --endpoint support-bot"),
    ):
        group.command(name, epilog=f"Example: {example}")(talks_to_server(command))
    app.add_typer(group, name="calls")


def list_calls(
    server: Server,
    endpoint: Endpoint = None,
    user: Annotated[str | None, typer.Option(help="Whose calls.", show_default=False)] = None,
    status: Annotated[
        str | None, typer.Option(help="ok, error, cancelled, 4xx, 5xx or a number.", show_default=False)
    ] = None,
    since: Annotated[str | None, typer.Option("--from", help="From that time on.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option("--to", help="Before that time.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(help="Calls at most.", min=1)] = 50,
    json: Json = False,
) -> None:
    """List calls, the newest first, of endpoints whose usage is tracked."""
    given = {"endpoint": endpoint, "user": user, "status": status, "from": since, "to": until}
    asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    found: list[dict[str, Any]] = []
    while len(found) < limit:
        answer = server.get(f"{_PATH}?{urlencode(asked | {'limit': min(_PAGE, limit - len(found))})}")
        found += answer.get("calls") or []
        if not answer.get("next_page_token"):
            break
        asked["page_token"] = answer["next_page_token"]
    if json:
        output.data(found)
        return
    output.table(_HEADINGS, [_row(each) for each in found])


def show(server: Server, request_id: Annotated[str, typer.Argument(help="The id of a call.")]) -> None:
    """Show one call as JSON, with what was asked and answered where that is kept."""
    output.data(server.get(f"{_PATH}/{quote(request_id, safe='')}"))


def follow(server: Server, endpoint: Endpoint = None) -> None:
    """Print calls as they end, until you stop it."""
    asked = {"calls": "true"} | ({} if endpoint is None else {"endpoint": endpoint})
    for event, told in server.events(f"/api/2.0/events?{urlencode(asked)}"):
        if event == "call":
            output.line("  ".join(_row(told)))
        elif event == "lost":
            output.note(f"{told.get('calls') or 'some'} calls came faster than they could be told")


def _row(call: dict[str, Any]) -> list[str]:
    at = datetime.fromtimestamp(call["time"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    how = f"{call['status']}" if call["outcome"] == "ok" else f"{call['status']} {call['outcome']}"
    told = [call["endpoint"], call["entity"] or "-", call["user"], str(call["input_tokens"])]
    return [at, how, *told, str(call["output_tokens"]), f"{call['duration_ms']:.0f}", call["request_id"]]
