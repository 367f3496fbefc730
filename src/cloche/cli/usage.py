"""`cloche usage`: calls, tokens, costs and latencies of a server, added up."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from cloche.cli import output
from cloche.cli.client import Server
from cloche.cli.options import Json, talks_to_server

_PATH = "/api/2.0/usage"
_CSV_PAGE = 10_000
_HEADINGS = ("CALLS", "ERRORS", "TOKENS IN", "TOKENS OUT", "USD", "P50 MS", "P95 MS", "P99 MS")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    epilog = "Example: cloche usage --group-by user,day --from 2026-01-01"
    app.command("usage", epilog=epilog)(talks_to_server(usage))


def usage(
    server: Server,
    group_by: Annotated[
        str,
        typer.Option(
            help="endpoint, entity, user, group, day, hour, minute, tag:KEY, usage_context:KEY; several with commas."
        ),
    ] = "endpoint",
    since: Annotated[
        str | None, typer.Option("--from", help="From that day or time on (ISO 8601, UTC).", show_default=False)
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Before that day or time.", show_default=False)] = None,
    endpoint: Annotated[str | None, typer.Option(help="Of this endpoint alone.", show_default=False)] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    json: Json = False,
) -> None:
    """Add calls up, of endpoints whose usage is tracked."""
    given = {"group_by": group_by, "from": since, "to": until, "endpoint": endpoint}
    asked = {name: value for name, value in given.items() if value is not None}
    if csv:
        _print_csv(server, asked)
        return
    sums = _sums(server, asked)
    if json:
        output.data(sums)
        return
    groups = [each.strip() for each in group_by.split(",")]
    output.table((*(each.upper() for each in groups), *_HEADINGS), [_row(each, groups) for each in sums])


def _sums(server: Server, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Page after page."""
    found: list[dict[str, Any]] = []
    while True:
        answer = server.get(f"{_PATH}?{urlencode(asked)}")
        found += answer.get("usage") or []
        if not answer.get("next_page_token"):
            return found
        asked = asked | {"page_token": answer["next_page_token"]}


def _print_csv(server: Server, asked: dict[str, Any]) -> None:
    """Page after page, the names once."""
    offset = 0
    while True:
        page = asked | {"format": "csv", "limit": _CSV_PAGE, "page_token": offset}
        names, *lines = server.call("GET", f"{_PATH}?{urlencode(page)}").decode().splitlines()
        for told in lines if offset else (names, *lines):
            output.line(told)
        offset += len(lines)
        if len(lines) < _CSV_PAGE:
            return


def _group(told: dict[str, Any], groups: list[str]) -> list[str]:
    return [str(told["group"][name] or "-") for name in groups]


def _row(told: dict[str, Any], groups: list[str]) -> list[str]:
    counts = [str(told[name]) for name in ("calls", "errors", "input_tokens", "output_tokens")]
    return [
        *_group(told, groups),
        *counts,
        _cost(told),
        *(f"{told[f'latency_ms_p{share}']:.0f}" for share in (50, 95, 99)),
    ]


def _cost(told: dict[str, Any]) -> str:
    """With a `+` where there are calls besides whose cost is not known."""
    cost = told["cost_usd"]
    return "?" if cost is None else f"{cost:.4f}{'+' if told['unpriced_calls'] else ''}"
