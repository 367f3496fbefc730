"""The Databricks SDK on people, tokens, OAuth and permissions, against a live server."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from databricks.sdk import WorkspaceClient, errors
from databricks.sdk.core import Config
from databricks.sdk.service import iam
from databricks.sdk.service.serving import (
    ChatMessage,
    ChatMessageRole,
    ServingEndpointAccessControlRequest,
    ServingEndpointPermissionLevel,
)

from .live import PATIENCE, TOKEN, Live, Reply
from .provider import Provider

MODEL = "echo"
QUESTION = ChatMessage(role=ChatMessageRole.USER, content="Hello?")
QUERY = ServingEndpointPermissionLevel.CAN_QUERY


def client(live: Live, **login: Any) -> WorkspaceClient:
    """The client with a login of its own, which gives up after three seconds."""
    return WorkspaceClient(config=Config(host=live.url, retry_timeout_seconds=3, **login))


@pytest.fixture(scope="module")
def relaying(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with an endpoint that tells how it is to be reached directly, and others."""
    folder = tmp_path_factory.mktemp("identity")
    endpoints = [each | {"route_optimized": each["name"] == MODEL} for each in provider.endpoints()]
    config = folder / "endpoints.json"
    config.write_text(json.dumps(endpoints))
    server = Live(folder, "--config", str(config), "--no-default-endpoint")
    yield server
    server.stop()


@pytest.fixture
def admin(relaying: Live) -> WorkspaceClient:
    """The administrator."""
    return client(relaying, token=TOKEN, auth_type="pat")


class Robot:
    """A service principal with a client secret."""

    def __init__(self, live: Live, admin: WorkspaceClient) -> None:
        self.live, self.admin = live, admin
        made = admin.service_principals.create(display_name="robot")
        self.id, self.name = str(made.id), str(made.application_id)
        secret = admin.service_principal_secrets_proxy.create(self.id, lifetime="600s")
        self.secret_id, self.secret = str(secret.id), str(secret.secret)
        self.endpoint_id = str(admin.serving_endpoints.get(MODEL).id)

    def workspace(self) -> WorkspaceClient:
        """The SDK, logged in as it."""
        return client(self.live, client_id=self.name, client_secret=self.secret, auth_type="oauth-m2m")

    def may(self, level: ServingEndpointPermissionLevel) -> None:
        """Give it a level on the endpoint."""
        entry = ServingEndpointAccessControlRequest(service_principal_name=self.name, permission_level=level)
        self.admin.serving_endpoints.update_permissions(self.endpoint_id, access_control_list=[entry])

    def token(self) -> str:
        """An access token, as the SDK gets it."""
        return self.workspace().config.oauth_token().access_token


@pytest.fixture
def robot(relaying: Live, admin: WorkspaceClient) -> Iterator[Robot]:
    """A service principal for one test."""
    made = Robot(relaying, admin)
    yield made
    admin.service_principals.delete(made.id)


def post_form(live: Live, **fields: str) -> Reply:
    """A form to the token endpoint."""
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=PATIENCE)
    try:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/oidc/v1/token", urlencode(fields), kind)
        answer = connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def test_users(admin: WorkspaceClient) -> None:
    """Users are made, found by filter, replaced, changed in part and deleted."""
    made = admin.users.create(
        user_name="ada@example.com",
        display_name="Ada",
        emails=[iam.ComplexValue(value="ada@example.com")],
        entitlements=[iam.ComplexValue(value="workspace-access")],
    )
    assert made.id
    assert [each.id for each in admin.users.list(filter='userName eq "ADA@example.com"')] == [made.id]
    assert len(list(admin.users.list(count=1))) == len(list(admin.users.list()))
    with pytest.raises(errors.ResourceAlreadyExists):
        admin.users.create(user_name="ada@example.com")
    admin.users.update(made.id, user_name="ada@example.com", display_name="Ada L.")
    replaced = admin.users.get(made.id)
    assert (replaced.display_name, replaced.entitlements, replaced.active) == ("Ada L.", [], True)
    admin.users.patch(made.id, operations=[iam.Patch(op=iam.PatchOp.REPLACE, path="active", value=False)])
    assert admin.users.get(made.id).active is False
    admin.users.delete(made.id)
    with pytest.raises(errors.NotFound, match=made.id):
        admin.users.get(made.id)
    with pytest.raises(errors.InvalidParameterValue, match="'nickName' cannot be asked for"):
        list(admin.users.list(filter='nickName eq "x"'))


def test_groups(admin: WorkspaceClient) -> None:
    """Groups are made with members, changed with the operations that the clients send, and deleted."""
    user = admin.users.create(user_name="grace")
    made = admin.groups.create(display_name="team", members=[iam.ComplexValue(value=user.id)])
    assert made.id
    assert user.id
    assert [group.display for group in admin.users.get(user.id).groups or []] == ["users", "team"]
    gone = iam.Patch(op=iam.PatchOp.REMOVE, path=f'members[value eq "{user.id}"]')
    admin.groups.patch(made.id, operations=[gone])
    assert admin.groups.get(made.id).members == []
    back = iam.Patch(op=iam.PatchOp.ADD, value={"members": [{"value": user.id}]})
    admin.groups.patch(made.id, operations=[back])
    (found,) = admin.groups.list(filter="displayName sw 'te' and id eq '" + made.id + "'")
    assert [(each.value, each.display) for each in found.members or []] == [(user.id, "grace")]
    admin.groups.update(made.id, display_name="crew")
    assert admin.groups.get(made.id).members == []
    admin.groups.delete(made.id)
    admin.users.delete(user.id)
    with pytest.raises(errors.InvalidParameterValue, match="cannot be deleted"):
        admin.groups.delete("2")


def test_the_last_administrator(admin: WorkspaceClient) -> None:
    """The SDK is told why the last administrator cannot go."""
    own = admin.current_user.me()
    assert own.id
    with pytest.raises(errors.InvalidParameterValue, match="no active administrator"):
        admin.users.delete(own.id)


def test_own_tokens(relaying: Live, admin: WorkspaceClient) -> None:
    """A token is made, works, is listed and ends when it is deleted."""
    made = admin.tokens.create(comment="sdk", lifetime_seconds=600)
    assert made.token_info
    assert made.token_info.token_id
    other = client(relaying, token=made.token_value, auth_type="pat")
    assert other.current_user.me().user_name == "admin"
    assert made.token_info.token_id in [each.token_id for each in admin.tokens.list()]
    admin.tokens.delete(made.token_info.token_id)
    with pytest.raises(errors.Unauthenticated):
        other.current_user.me()


def test_tokens_of_others(relaying: Live, admin: WorkspaceClient, robot: Robot) -> None:
    """Administrators make tokens for service principals, see and delete everybody's; others do none of it."""
    made = admin.token_management.create_obo_token(robot.name, lifetime_seconds=600, comment="job")
    assert made.token_info
    assert made.token_info.token_id
    other = client(relaying, token=made.token_value, auth_type="pat")
    assert other.current_user.me().user_name == robot.name
    listed = [each.token_id for each in admin.token_management.list(created_by_username=robot.name)]
    assert listed == [made.token_info.token_id]
    told = admin.token_management.get(made.token_info.token_id).token_info
    assert told
    assert (told.comment, told.owner_id) == ("job", int(robot.id))
    refused: list[Callable[[], object]] = [
        lambda: list(other.token_management.list()),
        lambda: list(other.users.list()),
    ]
    for call in refused:
        with pytest.raises(errors.PermissionDenied):
            call()
    admin.token_management.delete(made.token_info.token_id)
    with pytest.raises(errors.Unauthenticated):
        other.current_user.me()


def test_permissions(admin: WorkspaceClient, robot: Robot) -> None:
    """Permissions are read, merged and replaced through both services of the SDK that know them."""
    robot.may(QUERY)
    told = admin.serving_endpoints.get_permissions(robot.endpoint_id)
    levels = {
        entry.service_principal_name or entry.group_name: (entry.all_permissions or [])[-1]
        for entry in told.access_control_list or []
    }
    assert levels[robot.name].permission_level is QUERY
    assert levels["admins"].inherited
    assert levels["admins"].inherited_from_object == ["/serving-endpoints/"]
    offered = admin.serving_endpoints.get_permission_levels(robot.endpoint_id).permission_levels or []
    assert {each.permission_level for each in offered} == set(ServingEndpointPermissionLevel)
    admin.serving_endpoints.set_permissions(robot.endpoint_id, access_control_list=[])
    told_again = admin.permissions.get("serving-endpoints", robot.endpoint_id)
    assert [entry.group_name for entry in told_again.access_control_list or []] == ["admins"]
    nobody = ServingEndpointAccessControlRequest(user_name="nobody", permission_level=QUERY)
    with pytest.raises(errors.InvalidParameterValue, match="'nobody'"):
        admin.serving_endpoints.update_permissions(robot.endpoint_id, access_control_list=[nobody])


def test_machine_login(robot: Robot) -> None:
    """With client id and secret alone the SDK logs in, lists what it may see, and asks."""
    robot.may(QUERY)
    workspace = robot.workspace()
    assert [each.name for each in workspace.serving_endpoints.list()] == [MODEL]
    assert workspace.serving_endpoints.query(MODEL, messages=[QUESTION]).choices
    assert workspace.current_user.me().user_name == robot.name


def test_data_plane(robot: Robot) -> None:
    """The SDK's data-plane flow works unmodified: it exchanges its token for one that is good for the endpoint."""
    robot.may(QUERY)
    workspace = robot.workspace()
    assert workspace.serving_endpoints_data_plane.query(MODEL, messages=[QUESTION]).choices


def test_a_data_plane_token_does_nothing_else(relaying: Live, robot: Robot) -> None:
    """A token for one endpoint's queries makes no tokens, sees no lists and cannot be exchanged."""
    robot.may(QUERY)
    info = robot.workspace().serving_endpoints.get(MODEL).data_plane_info
    assert info
    assert info.query_info
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "authorization_details": str(info.query_info.authorization_details),
    }
    given = post_form(relaying, **form, assertion=robot.token())
    assert given.headers["cache-control"] == "no-store"
    narrow = given.json()["access_token"]
    for path in ("/api/2.0/token/list", "/api/2.0/serving-endpoints", f"/api/2.0/serving-endpoints/{MODEL}"):
        assert relaying.request("GET", path, token=narrow).status == 403
    assert relaying.request("POST", "/api/2.0/token/create", {}, token=narrow).status == 403
    again = post_form(relaying, **form, assertion=narrow)
    assert (again.status, again.json()["error"]) == (400, "invalid_grant")
    kept = post_form(relaying, **form, assertion=TOKEN)
    assert (kept.status, kept.json()["error"]) == (400, "invalid_grant")
    assert "personal access token" in kept.json()["error_description"]


def test_a_removed_secret_ends_the_login(relaying: Live, robot: Robot) -> None:
    """Deleting the secret ends what was given for it at once, and new logins are refused in OAuth's words."""
    token = robot.token()
    assert relaying.request("GET", "/api/2.0/preview/scim/v2/Me", token=token).status == 200
    admin = robot.admin.service_principal_secrets_proxy
    assert [each.id for each in admin.list(robot.id)] == [robot.secret_id]
    admin.delete(robot.id, robot.secret_id)
    assert relaying.request("GET", "/api/2.0/preview/scim/v2/Me", token=token).status == 401
    with pytest.raises(ValueError, match="invalid_client"):
        robot.token()


def test_rotated_keys_keep_tokens(relaying: Live, robot: Robot) -> None:
    """After a rotation both tokens work, and both keys are published."""
    before = robot.token()
    assert relaying.request("POST", "/api/2.0/cloche/oauth/keys/rotate", {}).status == 200
    after = robot.token()
    for token in (before, after):
        assert relaying.request("GET", "/api/2.0/preview/scim/v2/Me", token=token).status == 200
    assert len(relaying.request("GET", "/oidc/jwks.json", token=None).json()["keys"]) >= 2


def test_a_deactivated_service_principal(relaying: Live, robot: Robot) -> None:
    """Deactivation ends a machine's login at once."""
    token = robot.token()
    off = iam.Patch(op=iam.PatchOp.REPLACE, value={"active": False})
    robot.admin.service_principals.patch(robot.id, operations=[off])
    assert relaying.request("GET", "/api/2.0/preview/scim/v2/Me", token=token).status == 401


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({}, 400, "unsupported_grant_type"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "scope": "sql"}, 400, "invalid_scope"),
    ],
)
def test_refusals_of_the_token_endpoint(relaying: Live, fields: dict[str, str], status: int, error: str) -> None:
    """Whatever is wrong is told in the shape of RFC 6749, uncached, and in the usual shape too."""
    reply = post_form(relaying, **fields)
    assert (reply.status, reply.json()["error"]) == (status, error)
    assert reply.json()["error_description"] == reply.json()["message"]
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in reply.headers) == (status == 401)


def test_discovery(relaying: Live) -> None:
    """Both discovery documents tell absolute addresses below the one that was asked."""
    for name in ("oauth-authorization-server", "openid-configuration"):
        told = relaying.request("GET", f"/oidc/.well-known/{name}", token=None).json()
        assert told["token_endpoint"] == f"{told['issuer']}/v1/token"
        assert told["issuer"].startswith("http://127.0.0.1:")


def test_the_log_names_who_was_refused(relaying: Live, admin: WorkspaceClient, robot: Robot) -> None:
    """The line of a request has the caller's name whenever the token was good, also where the answer is a refusal."""
    made = admin.token_management.create_obo_token(robot.name)
    with relaying.calls() as calls:
        relaying.request("GET", "/api/2.0/token-management/tokens", token=made.token_value)
        relaying.request("GET", "/api/2.0/preview/scim/v2/Users/4242")
    assert [(call["status"], call["principal"]) for call in calls] == [(403, robot.name), (404, "admin")]
