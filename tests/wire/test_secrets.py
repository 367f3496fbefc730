"""The JSON of the secrets API and of the audit log, both ways."""

from __future__ import annotations

import json

import msgspec
import pytest

from cloche.domain.access import ScopeLevel
from cloche.domain.errors import InvalidParameter
from cloche.wire import audit, secrets


def test_scopes_are_asked_for_as_the_clients_do() -> None:
    """The backend is Databricks' own in either spelling, and `users` is the only other first manager."""
    assert secrets.scope_to_create(secrets.CreateScope("prod")) == ("prod", False)
    assert secrets.scope_to_create(secrets.CreateScope("prod", "users", "DATABRICKS")) == ("prod", True)
    assert secrets.scope_to_create(secrets.CreateScope("prod", None, "databricks")) == ("prod", False)
    for asked in (
        secrets.CreateScope("prod", "ann"),
        secrets.CreateScope("prod", None, "AZURE_KEYVAULT"),
        secrets.CreateScope("prod", backend_azure_keyvault={"resource_id": "r"}),
    ):
        with pytest.raises(InvalidParameter):
            secrets.scope_to_create(asked)


def test_a_value_is_text_or_bytes() -> None:
    """Exactly one form must be there, and bytes are in base64; the message never shows what was sent."""
    assert secrets.value_to_put(secrets.PutSecret("s", "k", "grüße")) == "grüße".encode()
    assert secrets.value_to_put(secrets.PutSecret("s", "k", None, "AP8=")) == b"\x00\xff"
    assert secrets.value_to_put(secrets.PutSecret("s", "k", "")) == b""
    for asked in (
        secrets.PutSecret("s", "k"),
        secrets.PutSecret("s", "k", "sk-marker", "AP8="),
        secrets.PutSecret("s", "k", None, "sk-marker"),
    ):
        with pytest.raises(InvalidParameter, match=r"(string|bytes)_value: ") as caught:
            secrets.value_to_put(asked)
        assert "sk-marker" not in caught.value.message


def test_permissions_are_words_of_the_api() -> None:
    """READ, WRITE and MANAGE, in capitals, and nothing else."""
    assert [secrets.read_level(word) for word in ("READ", "WRITE", "MANAGE")] == list(ScopeLevel)
    with pytest.raises(InvalidParameter, match="permission: must be READ, WRITE, MANAGE, not 'read'"):
        secrets.read_level("read")


def test_answers_have_the_shape_of_the_api() -> None:
    """The lists bear the names that the SDK reads, and a value is in base64."""
    answers = {
        "scopes": secrets.scopes(["prod"]),
        "secrets": secrets.secret_items([("k", 5)]),
        "value": secrets.secret_value("k", b"\x00\xff"),
        "acls": secrets.acls([("ann", ScopeLevel.READ)]),
    }
    assert json.loads(msgspec.json.encode(answers)) == {
        "scopes": {"scopes": [{"name": "prod", "backend_type": "DATABRICKS"}]},
        "secrets": {"secrets": [{"key": "k", "last_updated_timestamp": 5}]},
        "value": {"key": "k", "value": "AP8="},
        "acls": {"items": [{"principal": "ann", "permission": "READ"}]},
    }


def test_audit_queries_are_read() -> None:
    """Everything may be left out; numbers are numbers."""
    assert audit.read_query({}) == audit.Asked(None, None, None, None, None, None, 100)
    asked = audit.read_query({"user": "ann", "since": "5", "until": "6", "limit": "1000", "page_token": "7"})
    assert asked == audit.Asked("ann", None, None, 5, 6, 7, 1000)


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "٣", "9" * 30, str(2**63), " 1"])
@pytest.mark.parametrize("name", ["since", "until", "limit", "page_token"])
def test_audit_queries_name_what_is_wrong(name: str, number: str) -> None:
    """What is no whole number is refused by the name of its parameter, as is a limit out of bounds."""
    with pytest.raises(InvalidParameter, match=f"{name}: must be"):
        audit.read_query({name: number})
    for limit in ("0", "1001"):
        with pytest.raises(InvalidParameter, match="limit: must be from 1 to 1000"):
            audit.read_query({"limit": limit})
