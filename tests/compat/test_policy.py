"""Who gets in where: every route of the table, tried by everybody, compared with what its row declares."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cloche.http.route import Needs, Row
from cloche.http.routes import ROUTES

from .live import TOKEN, Live, Reply

ENDPOINT = "policy"
SCOPE = "policy-scope"

RANKS = {Needs.VIEW: 1, Needs.QUERY: 2, Needs.MANAGE: 3}
SCOPE_RANKS = {Needs.SCOPE_READ: 1, Needs.SCOPE_WRITE: 2, Needs.SCOPE_MANAGE: 3}

ENDPOINT_LEVELS = {"viewer": 1, "querier": 2, "manager": 3, "in a group": 2, "admin": 3}
SCOPE_LEVELS = {"reader": 1, "writer": 2, "scope manager": 3, "admin": 3}
CREATORS = {"creator", "admin"}
REMOVE = ("serving_endpoints.delete", "secrets.delete_scope", "secrets.delete_secret", "secrets.delete_acl")
REFUSED = ("no token", "bad", "expired", "revoked", "deactivated")
PRINCIPALS = ("stranger", "viewer", "querier", "manager", "in a group", "reader", "writer", "scope manager", "creator")


def declared(row: Row, who: str) -> bool:
    """Whether the row lets this caller in."""
    if row.needs is Needs.PUBLIC:
        return True
    if who in REFUSED:
        return False
    if row.needs is Needs.TOKEN:
        return True
    if row.needs is Needs.CREATE:
        return who in CREATORS
    if row.needs in RANKS:
        return ENDPOINT_LEVELS.get(who, 0) >= RANKS[row.needs]
    if row.needs in SCOPE_RANKS:
        return SCOPE_LEVELS.get(who, 0) >= SCOPE_RANKS[row.needs]
    return who == "admin"


class World:
    """A server with everybody in it, and one token for each."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.tokens: dict[str, str | None] = {"no token": None, "bad": "dapi" + "0" * 32}
        self.ids = {who: self._principal(who) for who in (*PRINCIPALS, "deactivated")}
        self._expired_and_revoked()
        scim = f"/api/2.0/preview/scim/v2/ServicePrincipals/{self.ids['deactivated'][0]}"
        change = [{"op": "replace", "path": "active", "value": False}]
        self.done("PATCH", scim, {"Operations": change})
        self.group = self.done(
            "POST",
            "/api/2.0/preview/scim/v2/Groups",
            {"displayName": "policy-group", "members": [{"value": self.ids["in a group"][0]}]},
        )["id"]

    def call(self, method: str, path: str, body: object = None, who: str = "admin") -> Reply:
        """One request as somebody."""
        token = self.tokens[who] if who != "admin" else TOKEN
        return self.live.request(method, path, body, token=token)

    def done(self, method: str, path: str, body: object = None, who: str = "admin") -> Any:
        """A request that must succeed."""
        reply = self.call(method, path, body, who)
        assert reply.status < 300, (method, path, reply.status, reply.body)
        return reply.json() if reply.body else {}

    def _principal(self, who: str) -> tuple[str, str]:
        entitlements = [{"value": "workspace-access"}] if who == "creator" else []
        made = self.done(
            "POST",
            "/api/2.0/preview/scim/v2/ServicePrincipals",
            {"displayName": who, "entitlements": entitlements},
        )
        body = {"application_id": made["applicationId"], "comment": who}
        token = self.done("POST", "/api/2.0/token-management/on-behalf-of/tokens", body)
        self.tokens[who] = token["token_value"]
        return made["id"], made["applicationId"]

    def _expired_and_revoked(self) -> None:
        expired = self.done("POST", "/api/2.0/token/create", {"lifetime_seconds": 1})
        revoked = self.done("POST", "/api/2.0/token/create", {})
        self.done("POST", "/api/2.0/token/delete", {"token_id": revoked["token_info"]["token_id"]})
        self.tokens |= {"expired": expired["token_value"], "revoked": revoked["token_value"]}
        time.sleep(1.1)

    def restore(self) -> str:
        """Put the endpoint and the scope as they were, with everybody's levels; the id of the endpoint."""
        found = self.call("GET", f"/api/2.0/serving-endpoints/{ENDPOINT}")
        made = found.json() if found.status == 200 else self._endpoint()
        levels = [("viewer", "CAN_VIEW"), ("querier", "CAN_QUERY"), ("manager", "CAN_MANAGE")]
        granted = [{"service_principal_name": self.ids[who][1], "permission_level": level} for who, level in levels]
        granted.append({"group_name": "policy-group", "permission_level": "CAN_QUERY"})
        path = f"/api/2.0/permissions/serving-endpoints/{made['id']}"
        self.done("PUT", path, {"access_control_list": granted})
        self.call("POST", "/api/2.0/secrets/scopes/create", {"scope": SCOPE})
        self.done("POST", "/api/2.0/secrets/put", {"scope": SCOPE, "key": "k", "string_value": "v"})
        for who, permission in (("reader", "READ"), ("writer", "WRITE"), ("scope manager", "MANAGE")):
            acl = {"scope": SCOPE, "principal": self.ids[who][1], "permission": permission}
            self.done("POST", "/api/2.0/secrets/acls/put", acl)
        return str(made["id"])

    def _endpoint(self) -> Any:
        model = {
            "name": "m",
            "provider": "custom",
            "task": "llm/v1/chat",
            "custom_provider_config": {"custom_provider_url": "http://127.0.0.1:9/v1"},
        }
        body = {"name": ENDPOINT, "config": {"served_entities": [{"external_model": model}]}}
        return self.done("POST", "/api/2.0/serving-endpoints", body)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server for all rows."""
    live = Live(tmp_path_factory.mktemp("policy"), "--no-default-endpoint")
    try:
        yield World(live)
    finally:
        live.stop()


def _path(row: Row, endpoint_id: str) -> str:
    """A path of the row: the real endpoint where the door looks for one, else something that does not exist."""
    known = {"name": ENDPOINT, "id": endpoint_id} if row.needs in RANKS else {}
    path = re.sub(r"\{(\w+)(?::path)?\}", lambda part: known.get(part[1], "424242"), row.path)
    if row.streams:
        return f"{path}?calls=maybe"  # refused once the caller is let in: a stream would go on
    return f"{path}?scope={SCOPE}&key=k&principal=users" if row.needs in SCOPE_RANKS and row.method == "GET" else path


def _body(row: Row) -> object:
    if row.method == "GET":
        return None
    if row.needs not in SCOPE_RANKS:
        return {}
    return {"scope": SCOPE, "key": "k", "string_value": "v", "principal": "users", "permission": "READ"}


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: f"{row.method} {row.path}")
def test_every_route_lets_in_whom_it_declares(world: World, row: Row) -> None:
    """A caller gets past the door exactly where the table says so: 401 without a good token, 403 without the level."""
    endpoint_id = world.restore()
    for who in ("no token", "bad", "expired", "revoked", "deactivated", *PRINCIPALS, "admin"):
        reply = world.call(row.method, _path(row, endpoint_id), _body(row), who)
        told = (who, reply.status, reply.body[:300])
        if declared(row, who):
            assert reply.status not in (401, 403) or "/oidc/" in row.path, told
        else:
            assert reply.status == (401 if who in REFUSED else 403), told
        assert reply.status < 500 or reply.status == 501, told
        if row.operation in REMOVE and reply.status == 200:
            endpoint_id = world.restore()  # what the next one would be asked about is gone


def test_lists_have_what_may_be_seen(world: World) -> None:
    """Both lists of endpoints name those on which the caller has a level, and no others."""
    world.restore()
    for who in ("stranger", "creator", "viewer", "in a group", "admin"):
        models = [each["id"] for each in world.done("GET", "/serving-endpoints/models", who=who)["data"]]
        endpoints = [each["name"] for each in world.done("GET", "/api/2.0/serving-endpoints", who=who)["endpoints"]]
        assert models == endpoints == ([] if who in ("stranger", "creator") else [ENDPOINT]), who


def test_nothing_is_public_by_accident() -> None:
    """The routes that need no token are these and no others."""
    public = {row.path for row in ROUTES if row.needs is Needs.PUBLIC}
    assert public == {
        "/health",
        "/ready",
        "/compatibility",
        "/openapi.json",
        "/.well-known/databricks-config",
        "/oidc/.well-known/oauth-authorization-server",
        "/oidc/.well-known/openid-configuration",
        "/oidc/jwks.json",
        "/oidc/v1/token",
        "/api/2.0/sign-in",
        "/api/2.0/sign-in/oidc",
    }
