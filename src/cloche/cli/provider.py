"""`cloche provider`: what the providers of external models take and do, and whether those of an endpoint answer.

What is told of a provider comes from the provider itself, so `list` and `show` need no server.
"""

from __future__ import annotations

from typing import Annotated

import typer

from cloche.cli import output
from cloche.cli.client import Server, endpoint_path
from cloche.cli.exits import Failure
from cloche.cli.options import Json, talks_to_server


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Providers of external models.",
        epilog="Example: cloche provider show anthropic",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("list", epilog="Example: cloche provider list")(list_providers)
    group.command("show", epilog="Example: cloche provider show anthropic")(show)
    group.command("probe", epilog="Example: cloche provider probe my-endpoint")(talks_to_server(probe))
    app.add_typer(group, name="provider")


def list_providers(json: Json = False) -> None:
    """List the providers with what their models do and the credentials that they take."""
    from cloche.cli import provider_told  # late: see there

    provider_told.print_all(json=json)


def show(
    name: Annotated[str, typer.Argument(help="Name of the provider.", show_default=False)], json: Json = False
) -> None:
    """Show a provider's settings, what becomes of a request's fields, and its finish reasons."""
    from cloche.cli import provider_told  # late: see there

    provider_told.print_one(name, json=json)


def probe(
    server: Server,
    endpoint: Annotated[str, typer.Argument(help="Name of the endpoint.", show_default=False)],
    entity: Annotated[str | None, typer.Option(help="The only served entity to try.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Send a call of one token to each external model of an endpoint, with the credentials that it has there."""
    wanted = {} if entity is None else {"served_entity_name": entity}
    answer = server.post(endpoint_path(endpoint, "/probe"), wanted)
    probes = answer.get("probes") or []
    if json:
        output.data(answer)
    else:
        for one in probes:
            output.line(f"{'ok' if one['ok'] else 'FAILED':6}  {one['entity']}  {one['duration_ms']} ms")
            for words in filter(None, (one["message"], one["advice"])):
                output.line(f"        {words}")
    failed = [str(one["entity"]) for one in probes if not one["ok"]]
    if failed:
        raise Failure(f"{len(failed)} of {len(probes)} do not answer: {', '.join(failed)}")
