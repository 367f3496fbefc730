"""`cloche budget`: make, list, show and delete budgets of a server."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from cloche.cli import exits, output
from cloche.cli.client import Server
from cloche.cli.exits import Failure
from cloche.cli.options import Json, talks_to_server

_PATH = "/api/2.0/budgets"

Named = Annotated[str, typer.Argument(help="Name of the budget.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    example = "Example: cloche budget create research --for group:research --limit 100"
    group = typer.Typer(help="Budgets in money.", epilog=example, no_args_is_help=True, rich_markup_mode=None)
    group.command("create", epilog=example)(talks_to_server(create))
    group.command("list", epilog="Example: cloche budget list --json")(talks_to_server(list_budgets))
    group.command("show", epilog="Example: cloche budget show research")(talks_to_server(show))
    group.command("delete", epilog="Example: cloche budget delete research")(talks_to_server(delete))
    app.add_typer(group, name="budget")


def create(
    server: Server,
    name: Named,
    limit: Annotated[float, typer.Option(help="US dollars in a period.", show_default=False)],
    period: Annotated[str, typer.Option(help="day, week or month, of UTC.")] = "month",
    about: Annotated[
        str,
        typer.Option("--for", help="workspace, each-user, endpoint:NAME, user:NAME or group:NAME: whose money it is."),
    ] = "workspace",
    alert_only: Annotated[bool, typer.Option("--alert-only", help="Tell, and refuse no call.")] = False,
    json: Json = False,
) -> None:
    """Make a budget, which holds from the next call on."""
    scope, _, subject = about.partition(":")
    asked: dict[str, Any] = {
        "name": name,
        "scope": "user" if scope == "each-user" else scope,
        "period": period,
        "limit_usd": limit,
        "action": "alert" if alert_only else "refuse",
    }
    if subject:
        asked["subject"] = subject
    made = server.post(_PATH, asked)
    if json:
        output.data(made)
        return
    output.note(f"made the budget {made['name']}, id {made['id']}")
    _warn(made)


def list_budgets(server: Server, json: Json = False) -> None:
    """List budgets with what is spent of them."""
    budgets = _all(server)
    if json:
        output.data(budgets)
        return
    headings = ("NAME", "FOR", "PERIOD", "SPENT USD", "HELD USD", "LIMIT USD", "ACTION", "BEGINS ANEW (UTC)")
    output.table(headings, [_row(each) for each in budgets])


def show(server: Server, name: Named, json: Json = False) -> None:
    """Show a budget: what is spent of it, by whom, and which thresholds were reached."""
    budget = _named(server, name)
    if json:
        output.data(budget)
        return
    for label, value in zip(("for", "period", "spent USD", "held USD", "limit USD"), _row(budget)[1:6], strict=True):
        output.line(f"{label}: {value}")
    for each in budget["users"]:
        output.line(f"  {each['subject']}: {each['spent_usd']:.4f}")
    for each in budget["alerts"]:
        whose = f" by {each['subject']}" if each.get("subject") else ""
        output.line(f"{each['threshold']} % reached{whose} at {output.moment(each['at'])}")
    _warn(budget)


def delete(server: Server, name: Named) -> None:
    """Forget a budget."""
    server.call("DELETE", f"{_PATH}/{quote(_named(server, name)['id'])}")
    output.note(f"deleted {name}")


def _all(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get(_PATH).get("budgets") or []
    return found


def _named(server: Server, name: str) -> dict[str, Any]:
    for each in _all(server):
        if each["name"] == name:
            return each
    raise Failure(f"there is no budget named '{name}'", exits.NOT_FOUND)


def _row(told: dict[str, Any]) -> tuple[str, ...]:
    whose = told["scope"] if told["subject"] is None else f"{told['scope']}:{told['subject']}"
    return (
        str(told["name"]),
        "each-user" if whose == "user" else whose,
        told["period"],
        *(f"{told[name]:.4f}" for name in ("spent_usd", "reserved_usd", "limit_usd")),
        told["action"],
        output.moment(told["resets_at"]),
    )


def _warn(told: dict[str, Any]) -> None:
    if told["unpriced_entities"]:
        what = "not counted" if told["action"] == "alert" else "refused"
        output.note(f"no price is known of {', '.join(told['unpriced_entities'])}: their calls are {what}")
