"""`cloche user`, `cloche group` and `cloche service-principal`: who there is, and who is in which group."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from cloche.cli import exits, output
from cloche.cli.client import Server
from cloche.cli.exits import Failure
from cloche.cli.options import Json, talks_to_server

ROOT = "/api/2.0/preview/scim/v2"
PAGE = 1000

_KEYS = {"Users": "userName", "Groups": "displayName", "ServicePrincipals": "applicationId"}

UserName = Annotated[str, typer.Argument(help="Name of the user, as in userName.", show_default=False)]
GroupName = Annotated[str, typer.Argument(help="Name of the group.", show_default=False)]
Application = Annotated[str, typer.Argument(help="Application id.", show_default=False)]
Member = Annotated[
    str, typer.Argument(help="Name of a user or group, or an application id.", show_default=False, metavar="MEMBER")
]
MayCreate = Annotated[bool, typer.Option("--may-create", help="Let them make endpoints and secret scopes.")]
Shown = Annotated[str | None, typer.Option("--display-name", help="Name to show.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Add the three groups of commands."""
    user = _group(app, "user", "Users of the server.")
    user.command("list", epilog="Example: cloche user list")(talks_to_server(list_users))
    user.command("create", epilog="Example: cloche user create ada@example.com")(talks_to_server(create_user))
    user.command("delete", epilog="Example: cloche user delete ada@example.com")(talks_to_server(delete_user))
    group = _group(app, "group", "Groups of users, service principals and groups.")
    group.command("list", epilog="Example: cloche group list")(talks_to_server(list_groups))
    group.command("create", epilog="Example: cloche group create team")(talks_to_server(create_group))
    group.command("delete", epilog="Example: cloche group delete team")(talks_to_server(delete_group))
    group.command("add", epilog="Example: cloche group add team ada@example.com")(talks_to_server(add_member))
    group.command("remove", epilog="Example: cloche group remove team ada@example.com")(talks_to_server(remove_member))
    robot = _group(app, "service-principal", "Service principals: whom programs act as.")
    robot.command("list", epilog="Example: cloche service-principal list")(talks_to_server(list_service_principals))
    robot.command("create", epilog="Example: cloche service-principal create nightly-job")(
        talks_to_server(create_service_principal)
    )
    robot.command("delete", epilog="Example: cloche service-principal delete 1d3f0b6e-7c52-4a0e-9f65-2f6f4f6a0c1b")(
        talks_to_server(delete_service_principal)
    )
    robot.command("secret", epilog="Example: cloche service-principal secret 1d3f0b6e-7c52-4a0e-9f65-2f6f4f6a0c1b")(
        talks_to_server(create_secret)
    )


def _group(app: typer.Typer, name: str, told: str) -> typer.Typer:
    group = typer.Typer(help=told, epilog=f"Example: cloche {name} list", no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(group, name=name)
    return group


def list_users(server: Server, json: Json = False) -> None:
    """List users."""
    _list(server, "Users", json=json)


def create_user(server: Server, name: UserName, display_name: Shown = None, may_create: MayCreate = False) -> None:
    """Add a user and print the id."""
    _create(server, "Users", {"userName": name, "displayName": display_name}, may_create=may_create)


def delete_user(server: Server, name: UserName) -> None:
    """Remove a user: their tokens end, their permissions are gone."""
    _delete(server, "Users", name)


def list_groups(server: Server, json: Json = False) -> None:
    """List groups with their members."""
    _list(server, "Groups", json=json)


def create_group(server: Server, name: GroupName, may_create: MayCreate = False) -> None:
    """Add a group without members and print its id."""
    _create(server, "Groups", {"displayName": name}, may_create=may_create)


def delete_group(server: Server, name: GroupName) -> None:
    """Remove a group: the permissions that it had are gone."""
    _delete(server, "Groups", name)


def add_member(server: Server, group: GroupName, member: Member) -> None:
    """Put a user, service principal or group into a group."""
    _change_members(server, group, {"op": "add", "path": "members", "value": [{"value": _any_id(server, member)}]})
    output.note(f"'{member}' is in '{group}'")


def remove_member(server: Server, group: GroupName, member: Member) -> None:
    """Take a user, service principal or group out of a group."""
    _change_members(server, group, {"op": "remove", "path": f'members[value eq "{_any_id(server, member)}"]'})
    output.note(f"'{member}' is not in '{group}' any more")


def list_service_principals(server: Server, json: Json = False) -> None:
    """List service principals."""
    _list(server, "ServicePrincipals", json=json)


def create_service_principal(
    server: Server,
    display_name: Annotated[str, typer.Argument(help="Name to show.", show_default=False)],
    may_create: MayCreate = False,
) -> None:
    """Add a service principal and print its application id."""
    made = _create(server, "ServicePrincipals", {"displayName": display_name}, may_create=may_create)
    output.note(f"Next: cloche token create --for {made['applicationId']}")


def delete_service_principal(server: Server, application_id: Application) -> None:
    """Remove a service principal: its tokens and secrets end, its permissions are gone."""
    _delete(server, "ServicePrincipals", application_id)


def create_secret(
    server: Server,
    application_id: Application,
    lifetime_seconds: Annotated[
        int | None, typer.Option(help="How long it is valid (default: two years).", show_default=False)
    ] = None,
) -> None:
    """Make an OAuth client secret and print its value, which is shown only this once."""
    found = quote(_id(server, "ServicePrincipals", application_id))
    path = f"/api/2.0/accounts/servicePrincipals/{found}/credentials/secrets"
    made = server.post(path, {} if lifetime_seconds is None else {"lifetime": f"{lifetime_seconds}s"})
    output.line(str(made["secret"]))
    output.note(f"id {made['id']}, expires: {made['expire_time']}. Keep it: it is not shown again.")


def _list(server: Server, collection: str, *, json: bool) -> None:
    found = _all(server, collection)
    if json:
        output.data(found)
        return
    key = _KEYS[collection]
    if collection == "Groups":
        rows = [(str(each["id"]), str(each[key]), ", ".join(_shown(each, "members"))) for each in found]
        output.table(("ID", "NAME", "MEMBERS"), rows)
        return
    people = [
        (
            str(each["id"]),
            str(each[key]),
            str(each.get("displayName") or ""),
            "yes" if each.get("active") else "no",
            ", ".join(_shown(each, "groups")),
        )
        for each in found
    ]
    output.table(("ID", key.upper(), "DISPLAY NAME", "ACTIVE", "GROUPS"), people)


def _shown(resource: dict[str, Any], name: str) -> list[str]:
    return [str(each.get("display") or each.get("value")) for each in resource.get(name) or []]


def _all(server: Server, collection: str, wanted: str = "") -> list[dict[str, Any]]:
    """Every resource that a filter asks for, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        query = {"startIndex": len(found) + 1, "count": PAGE} | ({"filter": wanted} if wanted else {})
        page = server.get(f"{ROOT}/{collection}?{urlencode(query)}").get("Resources") or []
        found += page
        if len(page) < PAGE:
            return found


def _create(server: Server, collection: str, given: dict[str, Any], *, may_create: bool) -> dict[str, Any]:
    body = {name: value for name, value in given.items() if value is not None}
    if may_create:
        body["entitlements"] = [{"value": "workspace-access"}]
    made = server.post(f"{ROOT}/{collection}", body)
    output.line(str(made["applicationId"] if collection == "ServicePrincipals" else made["id"]))
    return made


def _delete(server: Server, collection: str, name: str) -> None:
    server.call("DELETE", f"{ROOT}/{collection}/{quote(_id(server, collection, name))}")
    output.note(f"deleted '{name}'")


def _change_members(server: Server, group: str, operation: dict[str, Any]) -> None:
    path = f"{ROOT}/Groups/{quote(_id(server, 'Groups', group))}"
    server.call("PATCH", path, {"Operations": [operation]})


def _id(server: Server, collection: str, name: str) -> str:
    """The id of the one that bears exactly that name."""
    key, quoted = _KEYS[collection], name.replace("\\", "\\\\").replace('"', '\\"')
    found = [str(each["id"]) for each in _all(server, collection, f'{key} eq "{quoted}"') if each[key] == name]
    if not found:
        raise Failure(f"there is nothing named '{name}' among {collection}", exits.NOT_FOUND)
    return found[0]


def _any_id(server: Server, name: str) -> str:
    """The id of a user, service principal or group; names are unique among all of them."""
    for collection in _KEYS:
        try:
            return _id(server, collection, name)
        except Failure as failure:
            if failure.code != exits.NOT_FOUND:
                raise
    raise Failure(f"there is no user, service principal or group named '{name}'", exits.NOT_FOUND)
