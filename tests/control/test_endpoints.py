"""Endpoints are made, changed, rolled back and removed, on real databases: each change whole, audited, in force."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from cloche.control.endpoint_changes import Rehearsal
from cloche.domain.access import Level
from cloche.domain.endpoint import Declaration, Properties, ServedEntity, Tag, Update
from cloche.domain.errors import (
    AlreadyExists,
    Conflict,
    EndpointNotFound,
    InvalidFields,
    InvalidParameter,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
)
from cloche.store.database import Store
from cloche.store.secrets import Scope

from .endpoint_plane import LOCAL, OTHER, Plane
from .installation import ADMIN, NOW, add_user, audit_log, configuration, openai_entity

KEY = "served_entities[0].external_model.openai_config.openai_api_key"


@pytest.fixture
def plane(store: Store) -> Plane:
    """The use-cases over each kind of database."""
    return Plane(store)


def test_external_models_serve_at_once(plane: Plane) -> None:
    """An endpoint of external models is ready when it is made, is its creator's to manage, and holds no plaintext."""
    made = plane.create()
    compiled = plane.publisher.current().endpoints["chat"]
    assert compiled.endpoint == made
    assert (made.update, made.pending, len(made.id), made.created_at) == (Update.NOT_UPDATING, None, 32, NOW)
    assert compiled.levels == {ADMIN.principal.id: Level.CAN_MANAGE}
    assert compiled.problem is None
    assert set(compiled.targets) == {"gpt"}
    assert "sk-canary" not in repr(made) + repr(audit_log(plane.store))


def test_local_models_serve_when_they_are_loaded(plane: Plane) -> None:
    """An endpoint of local models is pending until somebody says that they are loaded, or why they cannot be."""
    made = plane.create(LOCAL)
    assert (made.active, made.update) == (None, Update.IN_PROGRESS)
    plane.endpoints.say(made.id, 1, "own", "loading")
    with plane.store.read() as work:
        assert [line.line for line in work.endpoints.build_log(made.id, "own")] == ["loading"]
    with pytest.raises(NotFound):
        plane.endpoints.finish(made.id, 2)
    plane.endpoints.finish(made.id, 1)
    assert plane.kept().update is Update.NOT_UPDATING
    plane.endpoints.update(ADMIN, "chat", replace(LOCAL, auto_capture_config={"enabled": False}))
    with pytest.raises(Conflict):
        plane.endpoints.update(ADMIN, "chat", LOCAL)
    plane.endpoints.fail(made.id, 2, "no memory")
    failed = plane.kept()
    assert (failed.update, failed.update_message) == (Update.UPDATE_FAILED, "no memory")
    assert failed.active is not None
    assert failed.active.number == 1
    with pytest.raises(NotFound):
        plane.endpoints.fail(made.id, 2, "again")


def test_what_cannot_be_served_is_not_made(plane: Plane) -> None:
    """Every refusal names the field, and leaves nothing behind."""
    missing = configuration(openai_entity(openai_api_key="{{secrets/no/way}}"))
    for wanted, path in (
        (replace(LOCAL, entities=(ServedEntity("own", entity_name="huge"),)), "config.served_entities[0].entity_name"),
        (missing, f"config.{KEY}"),
        (configuration(openai_entity(openai_api_key_plaintext="sk-\n")), f"config.{KEY}_plaintext"),
    ):
        with pytest.raises(InvalidFields) as caught:
            plane.create(wanted)
        assert [field for field, _ in caught.value.details] == [path]
        assert "sk-" not in caught.value.message
    assert plane.publisher.current().endpoints == {}
    assert plane.actions() == []
    with plane.store.read() as work:
        assert work.secrets.scopes() == []


def test_names_and_numbers_are_limited(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is given once, and there are no more endpoints than there may be."""
    plane.create()
    with pytest.raises(AlreadyExists, match="'chat' exists already"):
        plane.create()
    monkeypatch.setattr("cloche.control.endpoint_changes.MAX_ENDPOINTS", 1)
    with pytest.raises(QuotaExceeded):
        plane.create(name="other")


def test_an_update_is_a_new_version(plane: Plane) -> None:
    """Each update counts up; one that expects another version is refused, and so is another kind of model."""
    plane.create()
    assert plane.endpoints.update(ADMIN, "chat", OTHER, expected=1).newest.number == 2
    with pytest.raises(Conflict, match="version 2 of the endpoint 'chat' is in force, not 1"):
        plane.endpoints.update(ADMIN, "chat", OTHER, expected=1)
    with pytest.raises(InvalidFields) as caught:
        plane.endpoints.update(ADMIN, "chat", LOCAL)
    assert [field for field, _ in caught.value.details] == ["served_entities"]
    with pytest.raises(EndpointNotFound):
        plane.endpoints.update(ADMIN, "none", OTHER)
    assert plane.actions() == ["endpoint.create", "endpoint.update"]
    entry = audit_log(plane.store)[-1]
    assert entry.before is not None
    assert entry.after is not None
    names = [json.loads(text)["config"]["served_entities"][0]["name"] for text in (entry.before, entry.after)]
    assert names == ["gpt", "b"]


def test_a_dry_run_changes_nothing(plane: Plane) -> None:
    """A dry run tells what would be or what is wrong, and leaves no version, secret, entry or revision behind."""
    assert plane.create(rehearsal=Rehearsal()).active is not None
    plane.create()
    revision = plane.publisher.current().revision
    assert plane.endpoints.update(ADMIN, "chat", OTHER, rehearsal=Rehearsal()).newest.number == 2
    with pytest.raises(InvalidFields):
        plane.endpoints.update(ADMIN, "chat", configuration(openai_entity()), rehearsal=Rehearsal())
    assert plane.kept().newest.number == 1
    assert plane.publisher.current().revision == revision
    assert plane.actions() == ["endpoint.create"]


def test_a_secret_must_be_readable(plane: Plane) -> None:
    """Nobody can use a secret in an endpoint who may not read it, nor take another endpoint's."""
    ann = add_user(plane.store, "ann")
    plane.publisher.refresh()
    with plane.store.write() as work:
        work.secrets.add_scope(Scope("prod", None, NOW))
        work.secrets.put("prod", "k", plane.store.sealer.seal(b"sk-1", "secret prod/k"), NOW)
    wanted = configuration(openai_entity(openai_api_key="{{secrets/prod/k}}"))
    with pytest.raises(PermissionDenied, match="lacks READ"):
        plane.endpoints.create(ann, Declaration("hers", wanted))
    assert plane.create(wanted).active is not None
    hidden = plane.create(name="secretive").newest.configuration
    with pytest.raises(InvalidFields, match="there is no secret scope"):
        plane.endpoints.create(ann, Declaration("hers", hidden))


def test_properties_change_at_once(plane: Plane) -> None:
    """A property changes without a version, and the log says from what to what."""
    plane.create()

    def tagged(properties: Properties) -> Properties:
        return replace(properties, tags=(*properties.tags, Tag("a", "b")))

    changed = plane.endpoints.change_properties(ADMIN, "chat", "endpoint.tags", tagged)
    assert plane.kept() == changed
    assert (changed.newest.number, changed.properties.tags) == (1, (Tag("a", "b"),))
    entry = audit_log(plane.store)[-1]
    assert entry.after is not None
    assert (entry.action, json.loads(entry.after)["tags"]) == ("endpoint.tags", [{"key": "a", "value": "b"}])


def test_an_endpoint_leaves_nothing_behind(plane: Plane) -> None:
    """A removed endpoint is gone with its versions, permissions and hidden secrets, and its name is free."""
    first = plane.create()
    plane.endpoints.remove(ADMIN, "chat")
    assert plane.publisher.current().endpoints == {}
    with plane.store.read() as work:
        assert (work.endpoints.versions(first.id), work.permissions.all(), work.secrets.every()) == ([], [], [])
    plane.endpoints.say(first.id, 1, "gpt", "too late")
    with pytest.raises(EndpointNotFound):
        plane.endpoints.remove(ADMIN, "chat")
    assert plane.create().id != first.id


def test_any_version_comes_back(plane: Plane) -> None:
    """Versions are kept, compared by name, and brought back as new ones, with the credential that they had."""
    plane.create()
    plane.endpoints.update(ADMIN, "chat", OTHER)
    endpoint, versions = plane.versions.all("chat")
    assert [version.number for version in versions] == [2, 1]
    assert plane.versions.one("chat", 1) == (endpoint, versions[1])
    against, changes = plane.versions.compare("chat", 1, None)
    assert (against, [each.path for each in changes][:2]) == (2, ["served_entities[b]", "served_entities[gpt]"])
    assert plane.versions.compare("chat", 2, 2) == (2, [])
    assert plane.versions.rollback(ADMIN, "chat", 1, dry_run=True).newest.number == 3
    assert plane.kept().newest.number == 2
    back = plane.versions.rollback(ADMIN, "chat", 1)
    assert (back.newest.number, back.newest.configuration) == (3, versions[1].configuration)
    assert plane.publisher.current().endpoints["chat"].problem is None
    with pytest.raises(NotFound, match="has no version 9"):
        plane.versions.rollback(ADMIN, "chat", 9)
    assert plane.actions()[-1] == "endpoint.rollback"


def test_a_secret_in_use_cannot_be_broken(plane: Plane) -> None:
    """Whoever takes away a secret that an endpoint serves with is refused, and the endpoint goes on."""
    made = plane.create()
    with pytest.raises(InvalidParameter, match="could not be served any more"), plane.publisher.change() as work:
        work.secrets.remove_scope(f"cloche-endpoint-{made.id}")
    assert plane.publisher.current().endpoints["chat"].problem is None


def test_a_kept_credential_goes_nowhere_else(plane: Plane) -> None:
    """A manager keeps using a kept credential as it was given, and cannot have it sent to an address of their own."""
    made = plane.create()
    ann = add_user(plane.store, "ann")
    assert made.active is not None
    same = made.active.configuration
    model = same.entities[0].external_model
    assert model is not None

    def elsewhere(**settings: str) -> ServedEntity:
        return openai_entity(**{**model.settings, **settings})

    plane.endpoints.update(ann, "chat", replace(same, entities=(replace(same.entities[0], name="gpt2"),), routes=()))
    theft = configuration(elsewhere(openai_api_base="https://evil.example/v1"))
    for rehearsal in (None, Rehearsal()):
        with pytest.raises(InvalidFields, match="give it anew, as openai_api_key_plaintext") as caught:
            plane.endpoints.update(ann, "chat", theft, rehearsal=rehearsal)
        assert caught.value.details[0][0] == KEY
    given = configuration(openai_entity(openai_api_key_plaintext="sk-own", openai_api_base="https://own.example/v1"))
    assert plane.endpoints.update(ann, "chat", given).newest.number == 3
    assert plane.versions.rollback(ann, "chat", 1).newest.number == 4
    assert plane.endpoints.update(ADMIN, "chat", theft).newest.number == 5


def test_traffic_is_divided_anew_without_reading_the_secrets(plane: Plane) -> None:
    """A manager who may not read a secret may change all but what is sent where; that they are refused."""
    with plane.publisher.change() as work:
        work.secrets.add_scope(Scope("prod", None, NOW))
        work.secrets.put("prod", "key", plane.store.sealer.seal(b"sk-prod", "secret prod/key"), NOW)
    referred = {"openai_api_key": "{{secrets/prod/key}}"}
    plane.create(configuration(openai_entity("a", **referred), openai_entity("b", **referred)))
    ann = add_user(plane.store, "ann")
    divided = configuration(openai_entity("b", **referred), openai_entity("c", **referred))
    assert plane.endpoints.update(ann, "chat", divided).newest.number == 2
    for changed in (
        openai_entity("b", openai_api_base="https://evil.example/v1", **referred),
        openai_entity("b", openai_organization="other", **referred),
    ):
        with pytest.raises(PermissionDenied, match="'ann' lacks READ on the secret scope 'prod'"):
            plane.endpoints.update(ann, "chat", configuration(changed))
    plane.endpoints.update(ADMIN, "chat", configuration(openai_entity("own", openai_api_key_plaintext="sk-own")))
    with pytest.raises(PermissionDenied, match="lacks READ"):
        plane.versions.rollback(ann, "chat", 1)
