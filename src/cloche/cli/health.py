"""`cloche health`: how a running server and what it rests on are doing."""

from __future__ import annotations

from typing import Any

import typer

from cloche.cli import output
from cloche.cli.client import Server
from cloche.cli.exits import Failure
from cloche.cli.options import Json, talks_to_server


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("health", epilog="Example: cloche health --json")(talks_to_server(health))


def health(server: Server, json: Json = False) -> None:
    """Show how a running server is doing; ends with 1 where something is wrong.  Administrators see why."""
    told = server.get("/api/2.0/health")
    if json:
        output.data(told)
    else:
        _print(told)
    if told["status"] != "ok":
        raise Failure("; ".join(told.get("problems") or ["the server is degraded: an administrator can see why"]))


def _print(told: dict[str, Any]) -> None:
    endpoints = told["endpoints"]
    output.line(
        f"cloche {told['version']}, since {output.moment(told['started_at'])} UTC, {told['workers']} process(es)"
    )
    output.line(f"endpoints: {endpoints['ready']} of {endpoints['total']} ready, {endpoints['failed']} updates failed")
    if "database" not in told:
        return
    database, valkey = told["database"], told.get("valkey")
    answers = f"answers in {database['latency_ms']} ms" if database["reachable"] else "does not answer"
    output.line(f"database: {database['kind']}, {answers}, revision {database['revision']}")
    if valkey is not None:
        output.line(f"valkey: {'answers' if valkey['reachable'] else 'does not answer'}")
    home = told["home"]
    free = "" if home["free_bytes"] is None else f", {output.size(home['free_bytes'])} free"
    output.line(f"home: {home['problem'] or 'can be written'}{free}")
    for each in told["engines"]:
        output.line(f"model {each['model']}: {each['state']}, {each['active']} active, {each['waiting']} waiting")
    for each in told["breakers"]:
        output.line(f"breaker {each['endpoint']}/{each['entity']}: {each['state']}")
