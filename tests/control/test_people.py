"""Users, service principals and groups over a real database: the rules, and what ends when somebody goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.control.tokens import MAX_TOKENS
from cloche.domain.access import ADMIN_ID, ADMINS_ID, USERS_ID, Group, Identity, Kind, Level, ScopeLevel, Token
from cloche.domain.errors import (
    AlreadyExists,
    InvalidFields,
    InvalidParameter,
    NotFound,
    QuotaExceeded,
    Unauthenticated,
)

from .identity_world import ENDPOINT, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh home."""
    made = World(tmp_path)
    yield made
    made.store.close()


def test_ids_are_sixteen_digits(world: World) -> None:
    """Ids read as numbers, as clients expect; a service principal's name is a UUID."""
    user, robot = world.user("ada"), world.robot("job")
    assert all(re.fullmatch("[1-9][0-9]{15}", each.id) for each in (user, robot))
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", robot.name)
    assert world.actions()[:2] == ["service_principal.create", "user.create"]


@pytest.mark.parametrize("name", ["ada", "ADA", "users", "admin"])
def test_names_are_unique_among_all(world: World, name: str) -> None:
    """No two bear one name, whatever they are and however it is written; what is refused leaves nothing behind."""
    world.user("ada")
    before = world.publisher.current().revision
    with pytest.raises(AlreadyExists):
        world.group(name)
    with pytest.raises(AlreadyExists):
        world.user(name)
    assert world.publisher.current().revision == before


def test_the_last_administrator_stays(world: World) -> None:
    """The only active administrator can be neither deleted, deactivated nor taken out of admins; one of two can."""
    admin = world.people.identity(Kind.USER, ADMIN_ID)
    caller = world.caller()
    for attempt in (
        lambda: world.people.remove(caller, Kind.USER, ADMIN_ID),
        lambda: world.active(admin, active=False),
        lambda: world.members(ADMINS_ID),
    ):
        with pytest.raises(InvalidParameter, match="no active administrator"):
            attempt()
    second = world.user("second")
    inner = world.group("inner", second.id)
    world.members(ADMINS_ID, ADMIN_ID, inner.id)
    world.people.remove(caller, Kind.USER, ADMIN_ID)
    with pytest.raises(InvalidParameter, match="no active administrator"):
        world.people.remove_group(world.caller(second.id), inner.id)


def test_a_start_finds_another_administrator(world: World) -> None:
    """Where the first user is gone, the token of a start belongs to an administrator who is there."""
    second = world.user("second")
    world.members(ADMINS_ID, ADMIN_ID, second.id)
    world.people.remove(world.caller(), Kind.USER, ADMIN_ID)
    made = world.tokens.ensure_admin(None)
    assert made is not None
    assert world.grant(made).principal.id == second.id
    assert world.tokens.ensure_admin("a configured token") is None
    assert world.grant("a configured token").principal.admin


@pytest.mark.parametrize("group_id", [ADMINS_ID, USERS_ID])
def test_built_in_groups_stay(world: World, group_id: str) -> None:
    """`admins` and `users` can be neither deleted nor renamed."""
    with pytest.raises(InvalidParameter, match="cannot be deleted"):
        world.people.remove_group(world.caller(), group_id)
    with pytest.raises(InvalidFields, match="renamed"):
        world.people.change_group(world.caller(), group_id, lambda kept, _: Group(kept.id, "others", kept.members))


def test_everybody_is_in_users(world: World) -> None:
    """The group `users` tells all people as its members, and lets nobody be added or removed."""
    ada = world.user("ada")
    assert world.people.group(USERS_ID).members == {ADMIN_ID, ada.id}
    assert world.members(USERS_ID, ADMIN_ID, ada.id).members == frozenset()
    with pytest.raises(InvalidFields, match="everybody"):
        world.members(USERS_ID, ada.id)
    with pytest.raises(InvalidFields, match="cannot be in another group"):
        world.group("team", USERS_ID)


def test_groups_hold_no_circle_and_no_stranger(world: World) -> None:
    """A group cannot contain itself, directly or through others, nor anybody who is not there."""
    inner = world.group("inner")
    outer = world.group("outer", inner.id)
    for members in ((inner.id,), (outer.id,)):
        with pytest.raises(InvalidFields, match="contains it"):
            world.members(inner.id, *members)
    with pytest.raises(InvalidFields, match="'4242'"):
        world.members(inner.id, "4242")


def test_nested_membership_counts(world: World) -> None:
    """A member of a group within a group has what the outer group has."""
    ada = world.user("ada")
    inner = world.group("inner", ada.id)
    outer = world.group("outer", inner.id)
    assert world.caller(ada.id).principal.groups == {USERS_ID, inner.id, outer.id}


def test_deactivation_ends_tokens_at_once(world: World) -> None:
    """A deactivated user's tokens are refused from the change on, and good again when the user is let in."""
    ada = world.user("ada")
    value, _ = world.tokens.create(world.caller(ada.id))
    assert world.grant(value).principal.name == "ada"
    world.active(ada, active=False)
    with pytest.raises(Unauthenticated):
        world.grant(value)
    world.active(ada, active=True)
    assert world.grant(value).principal.name == "ada"


def test_deletion_leaves_nothing(world: World) -> None:
    """With a principal go its tokens, secrets, levels on endpoints and scopes, and its places in groups."""
    robot = world.robot("job")
    group = world.group("team", robot.id)
    world.tokens.create_for(world.caller(), robot.name)
    world.oauth.add_secret(world.caller(), robot.id, None)
    with world.publisher.change() as work:
        work.permissions.replace(ENDPOINT, {robot.id: Level.CAN_QUERY, group.id: Level.CAN_VIEW})
        work.secrets.put_acl("scope", robot.id, ScopeLevel.READ)
    world.people.remove(world.caller(), Kind.SERVICE_PRINCIPAL, robot.id)
    with world.store.read() as work:
        assert work.tokens.count(robot.id) == 0
        assert work.client_secrets.all(robot.id) == []
        assert work.permissions.of(ENDPOINT) == {group.id: Level.CAN_VIEW}
        assert work.secrets.acls("scope") == {}
    assert world.people.group(group.id).members == frozenset()
    world.people.remove_group(world.caller(), group.id)
    with world.store.read() as work:
        assert work.permissions.of(ENDPOINT) == {}


def test_what_is_not_there_is_told(world: World) -> None:
    """Unknown ids, and ids of another kind, are NotFound."""
    robot = world.robot("job")
    with pytest.raises(NotFound):
        world.people.identity(Kind.USER, robot.id)
    with pytest.raises(NotFound):
        world.people.remove(world.caller(), Kind.USER, robot.id)
    with pytest.raises(NotFound):
        world.people.remove_group(world.caller(), "4242")
    with pytest.raises(NotFound, match="application_id"):
        world.tokens.create_for(world.caller(), "admin")


def test_an_application_id_stays(world: World) -> None:
    """What programs log in with cannot be changed."""
    robot = world.robot("job")

    def edit(kept: Identity, _: object) -> Identity:
        return Identity(kept.id, kept.kind, "another", "job")

    with pytest.raises(InvalidFields, match="applicationId"):
        world.people.change(world.caller(), Kind.SERVICE_PRINCIPAL, robot.id, edit)


def test_tokens_have_a_quota_for_each_owner(world: World) -> None:
    """The quota is the owner's, not that of whoever makes the token."""
    robot = world.robot("job")
    with world.publisher.change() as work:
        for number in range(MAX_TOKENS):
            work.tokens.add(Token(str(number), robot.id, "", 0), number.to_bytes(32))
    with pytest.raises(QuotaExceeded):
        world.tokens.create_for(world.caller(), robot.name)
    world.tokens.create(world.caller())


def test_last_use_only_moves_forward(world: World) -> None:
    """What several processes saw of a token is kept as the latest time, without a new revision."""
    _, token = world.tokens.create(world.caller())
    before = world.publisher.current().revision
    for at in (500, 900, 700):
        world.tokens.note_used({token.id: at})
    world.tokens.note_used({})
    assert world.tokens.get(token.id).last_used_at == 900
    assert world.store.state().revision == before
