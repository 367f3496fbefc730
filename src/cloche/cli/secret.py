"""`cloche secret`: scopes and secrets of a server, and the rotation of its master key.

A value comes from standard input and never from an argument, which others could see in the list of processes.
"""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from cloche import settings
from cloche.cli import output
from cloche.cli.client import Server
from cloche.cli.exits import Failure, problems_as_failures
from cloche.cli.options import Json, talks_to_server

_API = "/api/2.0/secrets"
_REWRAP = "/api/2.0/cloche/secrets/rewrap"

Scope = Annotated[str, typer.Argument(help="Name of the scope.", show_default=False)]
Key = Annotated[str, typer.Argument(help="Name of the secret.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Secrets that endpoints refer to as {{secrets/SCOPE/KEY}}.",
        epilog="Example: cloche secret put prod openai < key.txt",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("scopes", epilog="Example: cloche secret scopes")(talks_to_server(scopes))
    group.command("create-scope", epilog="Example: cloche secret create-scope prod")(talks_to_server(create_scope))
    group.command("delete-scope", epilog="Example: cloche secret delete-scope prod")(talks_to_server(delete_scope))
    group.command("put", epilog="Example: cloche secret put prod openai < key.txt")(talks_to_server(put))
    group.command("list", epilog="Example: cloche secret list prod --json")(talks_to_server(list_secrets))
    group.command("delete", epilog="Example: cloche secret delete prod openai")(talks_to_server(delete))
    group.command("grant", epilog="Example: cloche secret grant prod data-scientists READ")(talks_to_server(grant))
    group.command("rotate-key", epilog="Example: cloche secret rotate-key && cloche secret rotate-key --drop-old")(
        talks_to_server(rotate_key)
    )
    app.add_typer(group, name="secret")


def scopes(server: Server, json: Json = False) -> None:
    """List the scopes that you may read."""
    answer = server.get(f"{_API}/scopes/list")
    if json:
        output.data(answer)
        return
    output.table(("SCOPE",), [(str(scope["name"]),) for scope in answer.get("scopes") or []])


def create_scope(server: Server, scope: Scope) -> None:
    """Make a scope, which you manage."""
    server.post(f"{_API}/scopes/create", {"scope": scope})
    output.note(f"made the scope {scope}")


def delete_scope(server: Server, scope: Scope) -> None:
    """Remove a scope with all its secrets."""
    server.post(f"{_API}/scopes/delete", {"scope": scope})
    output.note(f"deleted the scope {scope}")


def put(server: Server, scope: Scope, key: Key) -> None:
    """Keep a value, read from standard input without its last line break."""
    value = getpass.getpass("Value: ") if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
    server.post(f"{_API}/put", {"scope": scope, "key": key, "string_value": value})
    output.note("kept; endpoints refer to it as {{secrets/" + scope + "/" + key + "}}")


def list_secrets(server: Server, scope: Scope, json: Json = False) -> None:
    """List the keys of a scope, never their values."""
    answer = server.get(f"{_API}/list?{urlencode({'scope': scope})}")
    if json:
        output.data(answer)
        return
    rows = [(str(each["key"]), output.moment(each["last_updated_timestamp"])) for each in answer.get("secrets") or []]
    output.table(("KEY", "CHANGED (UTC)"), rows)


def delete(server: Server, scope: Scope, key: Key) -> None:
    """Remove a secret."""
    server.post(f"{_API}/delete", {"scope": scope, "key": key})
    output.note(f"deleted {scope}/{key}")


def grant(
    server: Server,
    scope: Scope,
    principal: Annotated[str, typer.Argument(help="User, application id or group.", show_default=False)],
    permission: Annotated[str, typer.Argument(help="READ, WRITE or MANAGE.", show_default=False)],
) -> None:
    """Let a user, service principal or group use a scope."""
    server.post(f"{_API}/acls/put", {"scope": scope, "principal": principal, "permission": permission})
    output.note(f"{principal} has {permission} on {scope}")


def rotate_key(
    server: Server,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Add no key: leave only the newest in the file, once all is wrapped.")
    ] = False,
) -> None:
    """Put a new master key in front of the server's key file and wrap all secrets with it.  Run it on the server's
    host, with the server's settings, while it serves."""
    # Late, because the other commands need neither settings of the server nor its store.
    from cloche.control.master_key import key_path
    from cloche.store.key import keep_newest_key, put_new_key_in_front

    path = key_path(settings.load({}, settings.environment()).settings)
    with problems_as_failures():
        if not drop_old:
            if path is None:
                raise Failure(
                    "the master key does not come from a file: put a new one in front where it comes from, restart the "
                    "server, then run `cloche secret rotate-key --drop-old`"
                )
            put_new_key_in_front(path)
        done = server.post(_REWRAP, {})
        if path is not None:
            _check_same_key(path, str(done["key_id"]))
        output.note(f"{done['rewrapped']} values were wrapped with the newest master key")
        if drop_old and path is not None:
            keep_newest_key(path)
            output.note(f"only the newest key is left in {path}: back it up")
        elif drop_old:
            output.note("the older master keys are not needed any more")


def _check_same_key(path: Path, wrapped_with: str) -> None:
    """See that the server has sealed with the first key of this file; else dropping the others would lose secrets."""
    from cloche.store.key import existing_keys
    from cloche.store.sealing import key_id

    if key_id(existing_keys(path)[0]).hex() != wrapped_with:
        raise Failure(f"the server's master key is not the first one in {path}: is it a server with another home?")
