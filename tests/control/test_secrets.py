"""Plaintext credentials are kept as hidden secrets, and a configuration refers only to what its author may read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloche.control.provider_forms import PROVIDER_FORMS
from cloche.control.publish import Publisher
from cloche.control.secret_scopes import SecretScopes
from cloche.control.secrets import check_readable, forget_unused, hidden_scope, keep_plaintext
from cloche.domain.access import ScopeLevel
from cloche.domain.endpoint import Configuration
from cloche.domain.errors import InvalidFields, InvalidParameter, NotFound, PermissionDenied
from cloche.store.database import Store
from cloche.store.sealing import CannotOpen
from cloche.store.secrets import Scope
from cloche.store.work import REFERENCE
from cloche.wire.openai import read_chat
from cloche.wire.serving_reading import read_endpoint

from .installation import (
    ADMIN,
    ENDPOINT_ID,
    NOW,
    add_user,
    configuration,
    now_ms,
    openai_entity,
    publisher,
    serve,
)

PATH = "config.served_entities[0].external_model.openai_config.openai_api_key"
REFERRED = "{{secrets/prod/openai}}"


@pytest.fixture
def made(store: Store) -> Publisher:
    """The publisher of an installation with the scope `prod` and the secret `openai` in it."""
    made = publisher(store)
    scopes = SecretScopes(made, now_ms)
    scopes.create(ADMIN, "prod")
    scopes.put(ADMIN, "prod", "openai", b"sk-first")
    return made


def kept(made: Publisher, wanted: Configuration) -> Configuration:
    """The configuration as it is stored, and is served from now on."""
    with made.change() as work:
        stored = keep_plaintext(work, made.store.sealer, ENDPOINT_ID, wanted, NOW)
        number = work.endpoints.next_number(ENDPOINT_ID)
    serve(made, stored, number)
    return stored


def key_of(stored: Configuration, entity: int = 0) -> str:
    """What stands where the key of an entity was."""
    model = stored.entities[entity].external_model
    assert model is not None
    return str(model.settings["openai_api_key"])


def header_of(made: Publisher, name: str = "bot") -> bytes:
    """The head of the calls that the endpoint makes to its provider."""
    (target,) = made.current().endpoints[name].targets.values()
    assert target.translator is not None
    request = read_chat(b'{"messages": [{"role": "user", "content": "Hello"}]}')
    return target.translator.encode(request, stream=False).head


# ---------------------------------------------------------------- plaintext


def test_a_plaintext_becomes_a_reference_into_a_hidden_scope(made: Publisher) -> None:
    """What is stored has a reference in place of the value, which is sealed in the endpoint's own scope."""
    stored = kept(made, configuration(openai_entity(openai_api_key_plaintext="sk-plain")))
    found = REFERENCE.fullmatch(key_of(stored))
    assert found is not None
    assert found[1] == hidden_scope(ENDPOINT_ID)
    assert "sk-plain" not in repr(stored)
    with made.store.read() as work:
        sealed = work.secrets.get(found[1], found[2])
    assert sealed is not None
    assert b"sk-plain" not in sealed
    assert made.current().endpoints["bot"].problem is None


def test_the_same_configuration_given_twice_is_the_same(made: Publisher) -> None:
    """A value that has not changed keeps its reference, also when another version lies between."""
    first = kept(made, configuration(openai_entity(openai_api_key_plaintext="sk-plain")))
    assert kept(made, configuration(openai_entity(openai_api_key_plaintext="sk-plain"))) == first
    other = kept(made, configuration(openai_entity(openai_api_key_plaintext="sk-other")))
    assert other != first
    assert kept(made, configuration(openai_entity(openai_api_key_plaintext="sk-plain"))) == first


def test_a_value_is_not_taken_from_another_field_or_scope(made: Publisher) -> None:
    """Only the same field of the same entity keeps its reference, and only one into the endpoint's own scope."""
    kept(made, configuration(openai_entity(openai_api_key=REFERRED)))
    stored = kept(
        made,
        configuration(
            openai_entity("one", openai_api_key_plaintext="sk-first"),
            openai_entity("two", openai_api_key_plaintext="sk-first"),
        ),
    )
    assert len({REFERRED, key_of(stored, 0), key_of(stored, 1)}) == 3


def test_a_credential_in_both_forms_is_refused(made: Publisher) -> None:
    """Who gives a reference and a plaintext is told so, with the path of the field and without the value."""
    both = configuration(openai_entity(openai_api_key=REFERRED, openai_api_key_plaintext="sk-plain"))
    with pytest.raises(InvalidFields) as caught:
        kept(made, both)
    assert caught.value.details == ((PATH, "give either openai_api_key or openai_api_key_plaintext, not both"),)
    assert "sk-plain" not in caught.value.message


def test_a_reference_in_the_field_for_plaintext_is_refused() -> None:
    """It would be sent to the provider as a key."""
    declared = {"name": "gpt", "provider": "openai", "task": "llm/v1/chat"}
    settings = {"openai_api_key_plaintext": REFERRED}
    body = {
        "name": "chat",
        "config": {"served_entities": [{"external_model": {**declared, "openai_config": settings}}]},
    }
    with pytest.raises(InvalidFields, match="is a reference, which goes into openai_api_key"):
        read_endpoint(body, PROVIDER_FORMS)


def test_what_is_used_no_more_goes(made: Publisher) -> None:
    """Kept values that no version has are removed, and with the endpoint its scope goes."""
    stored = kept(made, configuration(openai_entity(openai_api_key_plaintext="sk-plain")))
    scope = hidden_scope(ENDPOINT_ID)
    with made.change() as work:
        work.secrets.put(scope, "stray", made.store.sealer.seal(b"x", "anywhere"), NOW)
        forget_unused(work, ENDPOINT_ID)
        assert [key for key, _ in work.secrets.keys(scope)] == [key_of(stored).rpartition("/")[2].rstrip("}")]
        work.endpoints.remove(ENDPOINT_ID)
        forget_unused(work, ENDPOINT_ID)
        assert work.secrets.scope(scope) is None
        assert work.secrets.keys(scope) == []


# ---------------------------------------------------------------- references


def check(made: Publisher, reference: str, name: str = "") -> None:
    """See whether a configuration with this reference may be made by the admin, or by the user of that name."""
    caller = add_user(made.store, name) if name else ADMIN
    with made.store.read() as work:
        check_readable(work, caller.principal, configuration(openai_entity(openai_api_key=reference)), ENDPOINT_ID)


def test_a_missing_secret_is_named_with_its_field(made: Publisher) -> None:
    """A scope or key that is not there is a fault of the field that refers to it."""
    check(made, REFERRED)
    with pytest.raises(InvalidFields) as caught:
        check(made, "{{secrets/prod/other}}")
    assert caught.value.details == ((PATH, "there is no secret 'other' in the scope 'prod'"),)
    with pytest.raises(InvalidFields, match="there is no secret scope 'dev'"):
        check(made, "{{secrets/dev/openai}}")


def test_who_may_not_read_a_scope_may_not_refer_to_it(made: Publisher) -> None:
    """Without READ a reference is refused; with it, it is good."""
    with pytest.raises(PermissionDenied, match="'ann' lacks READ on the secret scope 'prod'"):
        check(made, REFERRED, "ann")
    SecretScopes(made, now_ms).put_acl(ADMIN, "prod", "ann", ScopeLevel.READ)
    check(made, REFERRED, "ann")


def test_a_hidden_scope_is_good_for_its_own_endpoint_only(made: Publisher) -> None:
    """The credentials that another endpoint keeps are as if they were not there."""
    stored = kept(made, configuration(openai_entity(openai_api_key_plaintext="sk-plain")))
    check(made, key_of(stored), "ann")
    with made.store.write() as work:
        work.secrets.add_scope(Scope(hidden_scope("f" * 32), "f" * 32, NOW))
        work.secrets.put(hidden_scope("f" * 32), "key", b"sealed", NOW)
    with pytest.raises(InvalidFields, match="there is no secret scope"):
        check(made, "{{secrets/" + hidden_scope("f" * 32) + "/key}}")


def test_hidden_scopes_do_not_exist_for_the_api(made: Publisher) -> None:
    """Nobody, administrators included, sees or touches a hidden scope, or makes one that looks like it."""
    kept(made, configuration(openai_entity(openai_api_key_plaintext="sk-plain")))
    scopes, hidden = SecretScopes(made, now_ms), hidden_scope(ENDPOINT_ID)
    assert scopes.names(ADMIN.principal) == ["prod"]
    for attempt in (
        lambda: scopes.keys(ADMIN.principal, hidden),
        lambda: scopes.put(ADMIN, hidden, "key", b""),
        lambda: scopes.delete(ADMIN, hidden),
        lambda: scopes.acls(ADMIN.principal, hidden),
    ):
        with pytest.raises(NotFound):
            attempt()
    with pytest.raises(InvalidParameter, match="reserved"):
        scopes.create(ADMIN, "cloche-endpoint-mine")


# ---------------------------------------------------------------- in force


def test_a_changed_value_is_in_force_at_once(made: Publisher) -> None:
    """Calls that begin after the change of a secret bear the new value."""
    serve(made, configuration(openai_entity(openai_api_key=REFERRED)))
    assert b"sk-first" in header_of(made)
    SecretScopes(made, now_ms).put(ADMIN, "prod", "openai", b"sk-second")
    assert b"sk-second" in header_of(made)


def test_a_secret_that_is_served_cannot_go(made: Publisher) -> None:
    """Removing it or its scope, or making it unfit, is refused with the name of the endpoint, and changes nothing."""
    serve(made, configuration(openai_entity(openai_api_key=REFERRED)))
    scopes = SecretScopes(made, now_ms)
    attempts: list[Callable[[], None]] = [
        lambda: scopes.remove(ADMIN, "prod", "openai"),
        lambda: scopes.delete(ADMIN, "prod"),
        lambda: scopes.put(ADMIN, "prod", "openai", b"\xff not text"),
        lambda: scopes.put(ADMIN, "prod", "openai", b"sk-broken\r\nx-header: 1"),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidParameter, match="the endpoint 'bot' could not be served any more") as caught:
            attempt()
        assert "sk-" not in caught.value.message
    assert scopes.value(ADMIN, "prod", "openai") == b"sk-first"
    assert b"sk-first" in header_of(made)


def test_a_sealed_value_is_good_in_its_own_place_only(made: Publisher) -> None:
    """Whoever can write to the database cannot move a value to where they may read it, nor change it unseen."""
    with made.change() as work:
        sealed = work.secrets.get("prod", "openai")
        assert sealed is not None
        work.secrets.put("prod", "moved", sealed, NOW)
        work.secrets.put("prod", "openai", sealed[:-1] + bytes([sealed[-1] ^ 1]), NOW)
    for key in ("moved", "openai"):
        with pytest.raises(CannotOpen, match=f"secret prod/{key}: the sealed value was changed"):
            SecretScopes(made, now_ms).value(ADMIN, "prod", key)
