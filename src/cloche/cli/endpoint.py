"""`cloche endpoint`: what a server serves."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from cloche.cli import output
from cloche.cli.client import Server
from cloche.cli.options import Json, talks_to_server

PATH = "/api/2.0/serving-endpoints"


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Endpoints of the server.",
        epilog="Example: cloche endpoint list",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("list", epilog="Example: cloche endpoint list")(talks_to_server(list_endpoints))
    group.command("get", epilog="Example: cloche endpoint get my-endpoint --json")(talks_to_server(get))
    app.add_typer(group, name="endpoint")


def list_endpoints(server: Server, json: Json = False) -> None:
    """List endpoints with their state and served entities."""
    answer = server.get(PATH)
    if json:
        output.data(answer)
        return
    rows = [
        (str(endpoint["name"]), _state(endpoint), str(endpoint.get("task") or ""), ", ".join(_entities(endpoint)))
        for endpoint in answer.get("endpoints") or []
    ]
    output.table(("NAME", "STATE", "TASK", "SERVED ENTITIES"), rows)


def get(
    server: Server,
    name: Annotated[str, typer.Argument(help="Name of the endpoint.", show_default=False)],
    json: Json = False,
) -> None:
    """Show one endpoint."""
    answer = server.get(f"{PATH}/{quote(name, safe='')}")
    if json:
        output.data(answer)
        return
    output.line(f"name      {answer.get('name')}")
    output.line(f"state     {_state(answer)}")
    output.line(f"task      {answer.get('task') or ''}")
    for entity in _entities(answer):
        output.line(f"entity    {entity}")


def _state(endpoint: dict[str, Any]) -> str:
    return str((endpoint.get("state") or {}).get("ready") or "")


def _entities(endpoint: dict[str, Any]) -> list[str]:
    served = (endpoint.get("config") or {}).get("served_entities") or []
    return [str(entity.get("name")) for entity in served]
