"""Secrets by the real Databricks SDK and the command line, and a master key that is replaced under a live server."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    InvalidParameterValue,
    PermissionDenied,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from databricks.sdk.service.workspace import AclPermission, ScopeBackendType

from .live import TOKEN, Live
from .provider import Provider

AUDIT = "/api/2.0/cloche/audit"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server without endpoints."""
    running = Live(tmp_path_factory.mktemp("secrets"), "--no-default-endpoint")
    yield running
    running.stop()


@pytest.fixture
def client(server: Live) -> WorkspaceClient:
    """The SDK, as the admin."""
    return WorkspaceClient(host=server.url, token=TOKEN)


def test_the_sdk_manages_scopes_secrets_and_permissions(client: WorkspaceClient) -> None:
    """Every method of `w.secrets` does what its documentation says."""
    secrets = client.secrets
    secrets.create_scope("prod", scope_backend_type=ScopeBackendType.DATABRICKS)
    secrets.create_scope("open", initial_manage_principal="users")
    assert {(scope.name, scope.backend_type) for scope in secrets.list_scopes()} == {
        ("prod", ScopeBackendType.DATABRICKS),
        ("open", ScopeBackendType.DATABRICKS),
    }
    secrets.put_secret("prod", "text", string_value="grüße")
    secrets.put_secret("prod", "bytes", bytes_value="AP8=")
    assert [each.key for each in secrets.list_secrets("prod")] == ["bytes", "text"]
    assert all((each.last_updated_timestamp or 0) > 1.6e12 for each in secrets.list_secrets("prod"))
    assert base64.b64decode(secrets.get_secret("prod", "text").value or "").decode() == "grüße"
    assert secrets.get_secret("prod", "bytes").value == "AP8="
    secrets.put_acl("prod", "users", AclPermission.READ)
    assert secrets.get_acl("prod", "users").permission is AclPermission.READ
    acls = {(each.principal, each.permission) for each in secrets.list_acls("prod")}
    assert acls == {("admin", AclPermission.MANAGE), ("users", AclPermission.READ)}
    secrets.delete_acl("prod", "users")
    secrets.delete_secret("prod", "bytes")
    assert [each.key for each in secrets.list_secrets("prod")] == ["text"]
    secrets.delete_scope("prod")
    secrets.delete_scope("open")
    assert list(secrets.list_scopes()) == []


def test_the_sdk_raises_the_documented_errors(client: WorkspaceClient) -> None:
    """Each refusal is the exception that the SDK's documentation names."""
    secrets = client.secrets
    secrets.create_scope("errors")
    with pytest.raises(ResourceAlreadyExists):
        secrets.create_scope("errors")
    with pytest.raises(InvalidParameterValue):
        secrets.create_scope("no spaces")
    with pytest.raises(InvalidParameterValue):
        secrets.put_acl("errors", "nobody", AclPermission.READ)
    with pytest.raises(InvalidParameterValue):
        secrets.put_secret("errors", "key")
    for attempt in (
        lambda: secrets.delete_scope("missing"),
        lambda: secrets.put_secret("missing", "key", string_value=""),
        lambda: list(secrets.list_secrets("missing")),
        lambda: secrets.get_secret("errors", "missing"),
        lambda: secrets.delete_secret("errors", "missing"),
        lambda: secrets.delete_acl("errors", "users"),
    ):
        with pytest.raises(ResourceDoesNotExist):
            attempt()
    secrets.delete_scope("errors")


def test_another_user_needs_a_level(client: WorkspaceClient, server: Live) -> None:
    """A service principal without a level is refused, and does what its level allows when it has one."""
    principal = client.service_principals.create(display_name="reader")
    token = client.token_management.create_obo_token(str(principal.application_id), lifetime_seconds=600)
    reader = WorkspaceClient(host=server.url, token=str(token.token_value)).secrets
    client.secrets.create_scope("guarded")
    client.secrets.put_secret("guarded", "key", string_value="value")
    with pytest.raises(PermissionDenied):
        reader.get_secret("guarded", "key")
    client.secrets.put_acl("guarded", str(principal.application_id), AclPermission.READ)
    assert reader.get_secret("guarded", "key").value == "dmFsdWU="
    with pytest.raises(PermissionDenied):
        reader.put_secret("guarded", "key", string_value="other")
    with pytest.raises(PermissionDenied):
        reader.create_scope("mine")
    assert server.request("GET", AUDIT, token=str(token.token_value)).status == 403


def test_the_audit_log_can_be_asked_for(client: WorkspaceClient, server: Live) -> None:
    """Filters and pages work over HTTP, and the command line shows the same."""
    client.secrets.create_scope("audited")
    client.secrets.put_secret("audited", "key", string_value="sk-marker")
    (entry,) = server.request("GET", f"{AUDIT}?target=audited/key&action=secret.put").json()["entries"]
    assert (entry["user"], entry["address"], entry["after"]) == ("admin", "127.0.0.1", {"is_new": True})
    first = server.request("GET", f"{AUDIT}?limit=1").json()
    assert first["entries"] == [entry]
    second = server.request("GET", f"{AUDIT}?limit=1&page_token={first['next_page_token']}").json()
    assert second["entries"][0]["action"] == "scope.create"
    assert server.request("GET", f"{AUDIT}?limit=x").json()["error_code"] == "INVALID_PARAMETER_VALUE"
    shown = cloche(server, "audit", "list", "--target", "audited", "--since", "2020-01-01", "--user", "admin")
    assert "scope.create" in shown
    assert "sk-marker" not in shown


def cloche(server: Live, *arguments: str, value: str = "") -> str:
    """What a command of the command line prints, given `value` on its standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "cloche", *arguments],
        env=server.environ | {"CLOCHE_URL": server.url, "CLOCHE_TOKEN": TOKEN},
        input=value,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_command_line_manages_secrets(server: Live) -> None:
    """A value goes from standard input into an endpoint's reach, and is never shown."""
    cloche(server, "secret", "create-scope", "shell")
    cloche(server, "secret", "put", "shell", "key", value="sk-marker\n")
    cloche(server, "secret", "grant", "shell", "users", "READ")
    got = server.request("GET", "/api/2.0/secrets/get?scope=shell&key=key").json()
    assert base64.b64decode(got["value"]) == b"sk-marker"
    assert "shell" in cloche(server, "secret", "scopes")
    shown = cloche(server, "secret", "list", "shell")
    assert "key" in shown
    assert "sk-marker" not in shown
    cloche(server, "secret", "delete", "shell", "key")
    cloche(server, "secret", "delete-scope", "shell")


def test_the_master_key_is_replaced_under_a_live_server(tmp_path: Path, provider: Provider) -> None:
    """Calls and secrets go on through a rotation; afterwards the new key alone opens the home, and the old does not.

    Without the file a start is refused, too, and makes no other key.
    """
    server = Live(tmp_path, "--no-default-endpoint")
    home = server.home
    file = home / "master.key"
    old = file.read_bytes()
    try:
        server.request("POST", "/api/2.0/secrets/scopes/create", {"scope": "prod"})
        server.request("POST", "/api/2.0/secrets/put", {"scope": "prod", "key": "openai", "string_value": "sk-1"})
        settings = {"openai_api_key": "{{secrets/prod/openai}}", "openai_api_base": provider.url}
        model = {"name": "echo", "provider": "openai", "task": "llm/v1/chat", "openai_config": settings}
        body = {"name": "bot", "config": {"served_entities": [{"external_model": model}]}}
        assert server.request("POST", "/api/2.0/serving-endpoints", body).status == 200
        assert "values were wrapped" in cloche(server, "secret", "rotate-key")
        assert len(file.read_text().split()) == 2
        assert server.ask("bot").status == 200
        cloche(server, "secret", "rotate-key", "--drop-old")
        assert len(file.read_text().split()) == 1
        server.request("POST", "/api/2.0/secrets/put", {"scope": "prod", "key": "openai", "string_value": "sk-2"})
        assert server.ask("bot").status == 200
    finally:
        server.stop()
    server = Live(tmp_path, "--no-default-endpoint")
    try:
        assert server.ask("bot").status == 200
        got = server.request("GET", "/api/2.0/secrets/get?scope=prod&key=openai").json()
        assert base64.b64decode(got["value"]) == b"sk-2"
    finally:
        server.stop()
    new = file.read_bytes()
    file.write_bytes(old)
    command = [sys.executable, "-m", "cloche", "serve", "--port", "0", "--no-default-endpoint"]
    failed = subprocess.run(command, env=server.environ, capture_output=True, text=True, timeout=60, check=False)
    assert failed.returncode == 1
    assert "the master key is not the one" in failed.stderr
    assert file.read_bytes() == old != new
    file.unlink()
    failed = subprocess.run(command, env=server.environ, capture_output=True, text=True, timeout=60, check=False)
    assert failed.returncode == 1
    assert "put the file back" in failed.stderr
    assert not file.exists()
