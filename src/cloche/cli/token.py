"""`cloche token`: make, list and revoke tokens of a server."""

from __future__ import annotations

from typing import Annotated

import typer

from cloche.cli import output
from cloche.cli.client import Server
from cloche.cli.options import Json, talks_to_server


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Tokens of the server.", epilog="Example: cloche token list", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("create", epilog="Example: cloche token create --comment laptop")(talks_to_server(create))
    group.command("list", epilog="Example: cloche token list --json")(talks_to_server(list_tokens))
    group.command("revoke", epilog="Example: cloche token revoke 0123456789abcdef0123456789abcdef")(
        talks_to_server(revoke)
    )
    app.add_typer(group, name="token")


def create(
    server: Server,
    comment: Annotated[str | None, typer.Option(help="What the token is for.", show_default=False)] = None,
    lifetime_seconds: Annotated[
        int | None, typer.Option(help="How long it is valid (default: two years).", show_default=False)
    ] = None,
    application_id: Annotated[
        str | None, typer.Option("--for", help="Application id of the service principal it is for.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Make a token and print its value, which is shown only this once."""
    given: dict[str, object] = {"comment": comment, "lifetime_seconds": lifetime_seconds}
    path = "/api/2.0/token/create"
    if application_id is not None:
        path = "/api/2.0/token-management/on-behalf-of/tokens"
        given["application_id"] = application_id
    made = server.post(path, {key: value for key, value in given.items() if value is not None})
    if json:
        output.data(made)
        return
    output.line(str(made["token_value"]))
    info = made["token_info"]
    output.note(
        f"id {info['token_id']}, expires: {output.moment(info['expiry_time'])}. Keep it: it is not shown again."
    )


def list_tokens(server: Server, json: Json = False) -> None:
    """List tokens: ids, dates and comments, never values."""
    answer = server.get("/api/2.0/token/list")
    if json:
        output.data(answer)
        return
    rows = [
        (
            str(info["token_id"]),
            output.moment(info["creation_time"]),
            output.moment(info["expiry_time"]),
            output.moment(info.get("last_used")),
            info["comment"],
        )
        for info in answer.get("token_infos") or []
    ]
    output.table(("ID", "CREATED (UTC)", "EXPIRES (UTC)", "LAST USED (UTC)", "COMMENT"), rows)


def revoke(
    server: Server,
    token_id: Annotated[str, typer.Argument(help="Id from `cloche token list`.", show_default=False)],
) -> None:
    """Revoke a token: it is refused from now on."""
    server.post("/api/2.0/token/delete", {"token_id": token_id})
    output.note(f"revoked {token_id}")
