"""The audit log: what is masked in it, what is found in it, and that nobody can change it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cloche.control.audit import Audit
from cloche.control.auditing import masked, note
from cloche.domain.access import Caller, Principal
from cloche.domain.errors import NotFound
from cloche.store.audit import AuditFilter
from cloche.store.database import Store

from .installation import ADMIN, NOW, audit_log, configuration, openai_entity

CREDENTIALS = (
    "openai_api_key",
    "microsoft_entra_client_secret",
    "anthropic_api_key",
    "cohere_api_key",
    "aws_access_key_id",
    "aws_secret_access_key",
    "private_key",
    "databricks_api_token",
    "token",
    "ai21labs_api_key",
    "palm_api_key",
    "token_value",
    "client_secret",
    "string_value",
    "bytes_value",
    "master_key",
    "password",
    "apiKey",
    "X-Api-Key",
    "Authorization",
    "something_plaintext",
)
"""The fields that bear credentials: of every provider, of the API's bodies, and as others would call them."""

HARMLESS = (
    "name",
    "key",
    "max_tokens",
    "tokens",
    "token_id",
    "openai_api_base",
    "permission",
    "keys",
    "value",
    "calls",
)
"""Names that look a little like them."""

MARKER = "sk-marker"

_plaintext = st.sampled_from((*CREDENTIALS, *(f"{name}_plaintext" for name in CREDENTIALS)))
_secret = st.one_of(st.just(MARKER), st.just([MARKER]), st.fixed_dictionaries({"name": st.just(MARKER)}))
_open = st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(("gpt-4o", "{{secrets/prod/openai}}")))
_auth = st.fixed_dictionaries({"key": st.just("x-api-key")}, optional={"value": _secret, "value_plaintext": _secret})


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda secret, harmless, auth: {**secret, **harmless, **auth},
        st.dictionaries(_plaintext, st.one_of(_secret, _open), max_size=3),
        st.dictionaries(st.sampled_from(HARMLESS), inner, max_size=3),
        st.dictionaries(st.sampled_from(("api_key_auth", "bearer_token_auth")), _auth, max_size=1),
    )


_settings = st.recursive(_open, lambda inner: st.one_of(_objects(inner), st.lists(inner, max_size=3)), max_leaves=20)


@given(_settings)
def test_no_credential_survives_masking(value: Any) -> None:
    """Whatever the settings of a provider look like, and however deep a credential lies, it is masked."""
    assert MARKER not in json.dumps(masked(value))


@given(st.dictionaries(st.sampled_from(HARMLESS), _open))
def test_what_is_no_credential_is_told(value: dict[str, Any]) -> None:
    """Names that only look like a credential's are left as they are."""
    assert masked(value) == value


@pytest.mark.parametrize("name", CREDENTIALS)
def test_references_are_told(name: str) -> None:
    """Which secret was referred to is what an operator needs to know; that nothing was there, too."""
    assert masked({name: "{{secrets/prod/openai}}"}) == {name: "{{secrets/prod/openai}}"}
    assert masked({name: None}) == {name: None}
    assert masked({name: "{{secrets/prod/openai}} sk"}) == {name: "***"}


def test_a_configuration_is_told_without_its_credentials(store: Store) -> None:
    """An entry of an endpoint has all of it, with the plaintext masked, as JSON."""
    wanted = configuration(openai_entity(openai_api_key_plaintext=MARKER, openai_api_base="http://127.0.0.1"))
    with store.write() as work:
        note(work, ADMIN, "endpoint.create", "bot", NOW, before=None, after=wanted)
    (entry,) = audit_log(store)
    assert entry.before is None
    settings = json.loads(entry.after or "")["entities"][0]["external_model"]["settings"]
    assert settings == {"openai_api_key_plaintext": "***", "openai_api_base": "http://127.0.0.1"}
    assert (entry.principal, entry.address, entry.request_id, entry.at) == ("admin", "127.0.0.1", "request-1", NOW)


@pytest.fixture
def filled(store: Store) -> Store:
    """A store whose audit log has four entries."""
    ann = Caller(Principal("7", "ann"), "10.0.0.1", "r")
    with store.write() as work:
        note(work, ADMIN, "endpoint.create", "bot", NOW)
        note(work, ann, "endpoint.create", "cat", NOW + 1)
        note(work, ann, "endpoint.delete", "cat", NOW + 2)
        note(work, ADMIN, "token.create", "t1", NOW + 3)
    return store


@pytest.mark.parametrize(
    ("wanted", "times"),
    [
        (AuditFilter(), [3, 2, 1, 0]),
        (AuditFilter(principal="ann"), [2, 1]),
        (AuditFilter(action="endpoint.create"), [1, 0]),
        (AuditFilter(target="cat"), [2, 1]),
        (AuditFilter(since_ms=NOW + 1, until_ms=NOW + 3), [2, 1]),
        (AuditFilter(principal="ann", target="bot"), []),
        (AuditFilter(limit=1), [3]),
    ],
)
def test_entries_are_found_the_newest_first(filled: Store, wanted: AuditFilter, times: list[int]) -> None:
    """Each filter lets through what it names, and all of them hold at once."""
    assert [entry.at - NOW for entry in Audit(filled).find(wanted)] == times


def test_pages_follow_one_another_without_a_gap(filled: Store) -> None:
    """Page after page gives what one large page gives, also when entries are added meanwhile."""
    first = Audit(filled).find(AuditFilter(limit=2))
    with filled.write() as work:
        note(work, ADMIN, "token.delete", "t1", NOW + 4)
    second = Audit(filled).find(AuditFilter(limit=2, before_id=first[-1].id))
    assert [entry.at - NOW for entry in first + second] == [3, 2, 1, 0]


@pytest.mark.parametrize("change", ["UPDATE audit SET principal = 'nobody'", "DELETE FROM audit"])
def test_the_log_is_append_only(filled: Store, change: str) -> None:
    """The database itself refuses to change or remove an entry, whoever asks."""
    with pytest.raises(DBAPIError, match="append-only"), filled.engine.begin() as connection:
        connection.execute(text(change))
    assert len(audit_log(filled)) == 4


def test_what_was_refused_is_not_in_the_log(store: Store) -> None:
    """An entry lives and dies with its change."""

    def refused() -> None:
        with store.write() as work:
            note(work, ADMIN, "endpoint.create", "bot", NOW)
            raise NotFound("it was not there")

    with pytest.raises(NotFound):
        refused()
    assert audit_log(store) == []


def test_anything_that_can_be_json_can_be_told(store: Store) -> None:
    """Structs, bytes and sets are told as JSON has them."""

    class Thing(msgspec.Struct):
        names: frozenset[str]
        digest: bytes

    with store.write() as work:
        note(work, ADMIN, "thing.make", "it", NOW, after=Thing(frozenset(("a",)), b"\xff"))
    assert json.loads(audit_log(store)[0].after or "")["names"] == ["a"]
