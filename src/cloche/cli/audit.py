"""`cloche audit`: what was changed on a server, by whom, when and from where."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from cloche.cli import exits, output
from cloche.cli.client import Server
from cloche.cli.exits import Failure
from cloche.cli.options import Json, talks_to_server

_PAGE = 1000


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="The audit log.", epilog="Example: cloche audit list", no_args_is_help=True, rich_markup_mode=None
    )
    epilog = "Example: cloche audit list --user admin --since 2026-01-31"
    group.command("list", epilog=epilog)(talks_to_server(list_entries))
    app.add_typer(group, name="audit")


def list_entries(
    server: Server,
    user: Annotated[str | None, typer.Option(help="Whose changes.", show_default=False)] = None,
    action: Annotated[str | None, typer.Option(help="As in endpoint.create.", show_default=False)] = None,
    target: Annotated[str | None, typer.Option(help="What was changed.", show_default=False)] = None,
    since: Annotated[str | None, typer.Option(help="Day or time (ISO 8601, UTC).", show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="Before that day or time.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(help="Entries at most.", min=1)] = 100,
    json: Json = False,
) -> None:
    """List entries, the newest first."""
    asked: dict[str, Any] = {"user": user, "action": action, "target": target}
    asked |= {"since": _moment("--since", since), "until": _moment("--until", until)}
    entries = _entries(server, {name: value for name, value in asked.items() if value is not None}, limit)
    if json:
        output.data(entries)
        return
    rows = [
        (output.moment(each["timestamp"]), str(each["user"]), each["address"], each["action"], each["target"])
        for each in entries
    ]
    output.table(("TIME (UTC)", "USER", "FROM", "ACTION", "TARGET"), rows)


def _entries(server: Server, asked: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    """Page after page until there are enough."""
    found: list[dict[str, Any]] = []
    while len(found) < limit:
        query = urlencode(asked | {"limit": min(_PAGE, limit - len(found))})
        answer = server.get(f"/api/2.0/cloche/audit?{query}")
        found += answer.get("entries") or []
        if not answer.get("next_page_token"):
            break
        asked = asked | {"page_token": answer["next_page_token"]}
    return found


def _moment(option: str, text: str | None) -> int | None:
    """A time in ISO 8601 as Unix milliseconds; without a zone it is UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(
            f"{option}: not a day or time like 2026-01-31 or 2026-01-31T12:00: {text!r}", exits.USAGE
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
