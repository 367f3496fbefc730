"""`cloche endpoint`: what a server serves, and what it served before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cloche.cli import apply, exits, output
from cloche.cli.client import ENDPOINTS, Refused, Server, endpoint_path
from cloche.cli.exits import Failure
from cloche.cli.options import Json, talks_to_server
from cloche.cli.readiness import WAIT_SECONDS, NoWait, Timeout, wait_until_ready

Name = Annotated[str, typer.Argument(help="Name of the endpoint.", show_default=False)]


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
    group.command("create", epilog="Example: cloche endpoint create -f my-endpoint.yaml")(talks_to_server(create))
    group.command("delete", epilog="Example: cloche endpoint delete my-endpoint")(talks_to_server(delete))
    group.command("versions", epilog="Example: cloche endpoint versions my-endpoint")(talks_to_server(versions))
    group.command("rollback", epilog="Example: cloche endpoint rollback my-endpoint 3")(talks_to_server(rollback))
    group.command("wait", epilog="Example: cloche endpoint wait my-endpoint --timeout 60")(talks_to_server(wait))
    app.add_typer(group, name="endpoint")


def list_endpoints(server: Server, json: Json = False) -> None:
    """List endpoints with their state and served entities."""
    answer = server.get(ENDPOINTS)
    if json:
        output.data(answer)
        return
    rows = [
        (str(endpoint["name"]), _state(endpoint), str(endpoint.get("task") or ""), ", ".join(_entities(endpoint)))
        for endpoint in answer.get("endpoints") or []
    ]
    output.table(("NAME", "STATE", "TASK", "SERVED ENTITIES"), rows)


def get(server: Server, name: Name, json: Json = False) -> None:
    """Show one endpoint."""
    answer = server.get(endpoint_path(name))
    if json:
        output.data(answer)
        return
    output.line(f"name      {answer.get('name')}")
    output.line(f"state     {_state(answer)}")
    output.line(f"task      {answer.get('task') or ''}")
    for entity in _entities(answer):
        output.line(f"entity    {entity}")


def create(
    server: Server,
    file: Annotated[
        Path, typer.Option("--file", "-f", help="A YAML or JSON file with one endpoint.", show_default=False)
    ],
    no_wait: NoWait = False,
) -> None:
    """Make the endpoint of a file.  Fails if there is one of that name; `cloche apply` would change it."""
    documents = apply.read(file)
    if len(documents.bodies) != 1:
        raise Failure(f"{file}: holds {len(documents.bodies)} endpoints, not one: use `cloche apply`", exits.USAGE)
    try:
        made = server.post(ENDPOINTS, documents.bodies[0])
    except Refused as refused:
        if not refused.faults:
            raise
        told = (documents.told(0, field, what) for field, what in refused.faults)
        raise Failure("\n".join(told), exits.USAGE) from refused
    if not no_wait:
        wait_until_ready(server, [made["name"]], WAIT_SECONDS)


def delete(server: Server, name: Name) -> None:
    """Delete an endpoint: new calls are refused, those under way are finished."""
    server.call("DELETE", endpoint_path(name))
    output.note(f"deleted {name}")


def versions(server: Server, name: Name, json: Json = False) -> None:
    """List the configurations that an endpoint has had, the newest first."""
    answer = server.get(endpoint_path(name, "/versions"))
    if json:
        output.data(answer)
        return
    rows = [
        (
            str(version["version"]),
            str(version["state"]).lower(),
            output.moment(version["created_at"]),
            str(version["created_by"]),
        )
        for version in answer.get("versions") or []
    ]
    output.table(("VERSION", "STATE", "MADE (UTC)", "BY"), rows)


def rollback(
    server: Server,
    name: Name,
    version: Annotated[int, typer.Argument(min=1, help="Number from `cloche endpoint versions`.", show_default=False)],
    no_wait: NoWait = False,
) -> None:
    """Bring an earlier configuration back, as a new version."""
    server.post(endpoint_path(name, "/rollback"), {"version": version})
    if not no_wait:
        wait_until_ready(server, [name], WAIT_SECONDS)


def wait(
    server: Server,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Endpoints.", show_default=False)],
    timeout: Timeout = WAIT_SECONDS,
) -> None:
    """Wait until endpoints serve their newest configuration.  Fails with the reason if one cannot."""
    wait_until_ready(server, names, timeout)


def _state(endpoint: dict[str, Any]) -> str:
    """Whether it can be called and, where that is not all, how its newest change is doing."""
    state = endpoint.get("state") or {}
    words = [state.get("ready"), state.get("config_update")]
    return ", ".join(str(word) for word in words if word and word != "NOT_UPDATING")


def _entities(endpoint: dict[str, Any]) -> list[str]:
    served = (endpoint.get("config") or {}).get("served_entities") or []
    return [str(entity.get("name")) for entity in served]
