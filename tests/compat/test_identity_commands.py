"""The commands for people, tokens and permissions, as an operator runs them against a live server."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from cloche.cli.exits import Failure
from cloche.cli.main import app

from .live import TOKEN, Live

MODEL = "echo"


def run(live: Live, *arguments: str, token: str = TOKEN) -> Result:
    """A command, told of the server by its environment, in this process: starting many of their own takes long."""
    environ = live.environ | {"CLOCHE_URL": live.url, "CLOCHE_TOKEN": token}
    return CliRunner().invoke(app(), arguments, env=environ)


def failure(ran: Result) -> Failure:
    """What a command that fails says."""
    assert isinstance(ran.exception, Failure), ran.output
    return ran.exception


def done(live: Live, *arguments: str) -> str:
    """What a command that must succeed prints."""
    ran = run(live, *arguments)
    assert ran.exit_code == 0, (arguments, ran.exception, ran.output)
    return str(ran.stdout).strip()


def data(live: Live, *arguments: str) -> Any:
    """What a command prints with --json."""
    return json.loads(done(live, *arguments, "--json"))


def test_people(relaying: Live) -> None:
    """Users and groups are made, put into one another by name, listed and removed."""
    done(relaying, "user", "create", "mary@example.com", "--display-name", "Mary", "--may-create")
    done(relaying, "group", "create", "readers")
    done(relaying, "group", "add", "readers", "mary@example.com")
    assert "Mary" in done(relaying, "group", "list")
    (mary,) = [each for each in data(relaying, "user", "list") if each["userName"] == "mary@example.com"]
    assert [each["display"] for each in mary["groups"]] == ["users", "readers"]
    assert mary["entitlements"] == [{"value": "workspace-access"}]
    done(relaying, "group", "remove", "readers", "mary@example.com")
    (group,) = [each for each in data(relaying, "group", "list") if each["displayName"] == "readers"]
    assert group["members"] == []
    done(relaying, "group", "delete", "readers")
    done(relaying, "user", "delete", "mary@example.com")
    missing = failure(run(relaying, "user", "delete", "mary@example.com"))
    assert (missing.code, str(missing)) == (4, "there is nothing named 'mary@example.com' among Users")


def test_service_principals_and_permissions(relaying: Live) -> None:
    """A service principal gets a token, a secret and a level, which is shown and taken away again."""
    name = done(relaying, "service-principal", "create", "nightly")
    token = done(relaying, "token", "create", "--for", name, "--comment", "nightly")
    assert token.startswith("dapi")
    assert done(relaying, "service-principal", "secret", name, "--lifetime-seconds", "60").startswith("dose")
    assert failure(run(relaying, "permission", "list", MODEL, token=token)).code == 3
    done(relaying, "permission", "grant", MODEL, "CAN_VIEW", "--service-principal", name)
    seen = run(relaying, "permission", "list", MODEL, token=token)
    assert seen.exit_code == 0
    assert any(line.split()[0] == name and "CAN_VIEW" in line for line in seen.stdout.splitlines())
    done(relaying, "permission", "revoke", MODEL, "--service-principal", name)
    assert name not in done(relaying, "permission", "list", MODEL)
    assert run(relaying, "permission", "grant", MODEL, "CAN_VIEW").exit_code == 2
    done(relaying, "service-principal", "delete", name)
    assert failure(run(relaying, "token", "list", token=token)).code == 3


def test_permissions_are_explained(relaying: Live) -> None:
    """Managers are told why somebody may or may not, others about themselves only, and a wrong level is a 400."""
    name = done(relaying, "service-principal", "create", "curious")
    token = done(relaying, "token", "create", "--for", name)
    refused = done(relaying, "permission", "explain", MODEL, name)
    assert f"{name} may not do on 'echo' what takes CAN_QUERY" in refused
    assert f"'{name}' has no level on 'echo'" in refused
    done(relaying, "permission", "grant", MODEL, "CAN_VIEW", "--group", "users")
    told = data(relaying, "permission", "explain", MODEL, name, "--level", "CAN_VIEW")
    assert told["reasons"] == [{"level": "CAN_VIEW", "through": "group", "group": "users"}]
    own = run(relaying, "permission", "explain", MODEL, token=token)
    assert own.exit_code == 0
    assert "CAN_VIEW  group    users" in own.stdout
    assert failure(run(relaying, "permission", "explain", MODEL, "admin", token=token)).code == 3
    endpoint = relaying.request("GET", f"/api/2.0/serving-endpoints/{MODEL}").json()["id"]
    path = f"/api/2.0/permissions/serving-endpoints/{endpoint}/explain"
    assert relaying.request("GET", f"{path}?level=CAN_FLY").status == 400
    assert relaying.request("GET", f"{path}?principal=nobody").status == 404
    done(relaying, "permission", "revoke", MODEL, "--group", "users")
    done(relaying, "service-principal", "delete", name)
