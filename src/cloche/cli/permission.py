"""`cloche permission`: who may do what with an endpoint."""

from __future__ import annotations

import enum
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from cloche.cli import output
from cloche.cli.client import Server, endpoint_path
from cloche.cli.options import Json, talks_to_server

PATH = "/api/2.0/permissions/serving-endpoints"
_FIELDS = ("user_name", "group_name", "service_principal_name")


class Level(enum.StrEnum):
    """The levels, as the API names them."""

    CAN_VIEW = "CAN_VIEW"
    CAN_QUERY = "CAN_QUERY"
    CAN_MANAGE = "CAN_MANAGE"


Name = Annotated[str, typer.Argument(help="Name of the endpoint.", show_default=False, metavar="ENDPOINT")]
User = Annotated[str | None, typer.Option("--user", help="Name of a user.", show_default=False)]
Group = Annotated[str | None, typer.Option("--group", help="Name of a group.", show_default=False)]
Robot = Annotated[
    str | None, typer.Option("--service-principal", help="Application id of a service principal.", show_default=False)
]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Permissions on endpoints.",
        epilog="Example: cloche permission list my-endpoint",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("list", epilog="Example: cloche permission list my-endpoint")(talks_to_server(list_permissions))
    group.command("grant", epilog="Example: cloche permission grant my-endpoint CAN_QUERY --group team")(
        talks_to_server(grant)
    )
    group.command("revoke", epilog="Example: cloche permission revoke my-endpoint --user ada@example.com")(
        talks_to_server(revoke)
    )
    group.command("explain", epilog="Example: cloche permission explain my-endpoint ada@example.com")(
        talks_to_server(explain)
    )
    app.add_typer(group, name="permission")


def list_permissions(server: Server, name: Name, json: Json = False) -> None:
    """List who may do what with an endpoint."""
    answer = server.get(_path(server, name))
    if json:
        output.data(answer)
        return
    rows = [
        (who, field.removesuffix("_name").replace("_", " "), level, "inherited" if inherited else "direct")
        for field, who, level, inherited in _levels(answer)
    ]
    output.table(("PRINCIPAL", "KIND", "LEVEL", "GIVEN"), rows)


def grant(
    server: Server,
    name: Name,
    level: Annotated[Level, typer.Argument(help="What they may do.", show_default=False)],
    user: User = None,
    group: Group = None,
    service_principal: Robot = None,
) -> None:
    """Give a level on an endpoint, in place of the one that they had."""
    who = _who(user, group, service_principal)
    body = {"access_control_list": [who | {"permission_level": level.value}]}
    server.call("PATCH", _path(server, name), body)
    output.note(f"{next(iter(who.values()))}: {level.value} on '{name}'")


def revoke(server: Server, name: Name, user: User = None, group: Group = None, service_principal: Robot = None) -> None:
    """Take away the level that was given on an endpoint."""
    who = _who(user, group, service_principal)
    path = _path(server, name)
    kept = [
        {field: named, "permission_level": level}
        for field, named, level, inherited in _levels(server.get(path))
        if not inherited and {field: named} != who
    ]
    server.call("PUT", path, {"access_control_list": kept})
    output.note(f"{next(iter(who.values()))}: nothing given directly on '{name}'")


def explain(
    server: Server,
    name: Name,
    principal: Annotated[
        str | None,
        typer.Argument(help="A user, service principal or group; without it the token's owner.", show_default=False),
    ] = None,
    level: Annotated[Level, typer.Option(help="What they would do.")] = Level.CAN_QUERY,
    json: Json = False,
) -> None:
    """Say why somebody may or may not do something with an endpoint.  It ends with 0 either way."""
    about = {} if principal is None else {"principal": principal}
    answer = server.get(f"{_path(server, name)}/explain?{urlencode(about | {'level': level.value})}")
    if json:
        output.data(answer)
        return
    may = "may" if answer["allowed"] else "may not"
    output.line(f"{answer['principal']} {may} do on '{name}' what takes {answer['level_wanted']}")
    if answer["reasons"]:
        output.table(("LEVEL", "THROUGH", "GROUP"), [_reason(each) for each in answer["reasons"]])
    if answer["advice"]:
        output.line(answer["advice"])


def _reason(one: dict[str, Any]) -> tuple[str, str, str]:
    return one["level"], one["through"], " < ".join([*one.get("via", ()), one.get("group", "")])


def _who(user: str | None, group: str | None, service_principal: str | None) -> dict[str, str]:
    given = dict(zip(_FIELDS, (user, group, service_principal), strict=True))
    found = {field: name for field, name in given.items() if name is not None}
    if len(found) != 1:
        raise typer.BadParameter("give exactly one of --user, --group and --service-principal")
    return found


def _path(server: Server, name: str) -> str:
    found = server.get(endpoint_path(name))
    return f"{PATH}/{quote(str(found['id']), safe='')}"


def _levels(answer: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """(field, name, level, whether it is inherited) of every permission."""
    return [
        (field, str(entry[field]), str(permission["permission_level"]), bool(permission.get("inherited")))
        for entry in answer.get("access_control_list") or []
        for field in _FIELDS
        if entry.get(field)
        for permission in entry.get("all_permissions") or []
    ]
