"""Tokens: what is kept instead of them, and how long they count; and who may do what."""

from __future__ import annotations

import pytest

from cloche.domain.access import (
    ADMINS_ID,
    MAY_CREATE,
    USERS_ID,
    Group,
    Identity,
    Kind,
    Level,
    Principal,
    Token,
    digest,
    level_of,
    principals,
)

KEY = b"k" * 32


def test_a_digest_is_of_the_value_under_the_key() -> None:
    """The same token has one digest under one key, as text and as bytes, and another under another key."""
    assert digest(KEY, "dapi1") == digest(KEY, b"dapi1")
    assert len(digest(KEY, "dapi1")) == 32
    assert len({digest(KEY, "dapi1"), digest(KEY, "dapi2"), digest(b"j" * 32, "dapi1")}) == 3


def test_any_text_has_a_digest() -> None:
    """Text that is no Unicode, as a path or an environment may hold, is no crash but another token."""
    assert digest(KEY, "\udcff") != digest(KEY, "")


@pytest.mark.parametrize(
    ("expires_at", "now", "valid"), [(None, 10**15, True), (5, 4, True), (5, 5, False), (5, 6, False)]
)
def test_a_token_counts_until_its_time(expires_at: int | None, now: int, valid: bool) -> None:
    """A token is valid before its end and not at it; without an end it is valid always."""
    assert Token("id", "ann", "", 0, expires_at).valid_at(now) is valid


ANN = Identity("10", Kind.USER, "ann", "Ann")
BOT = Identity("11", Kind.SERVICE_PRINCIPAL, "bot", "Bot")
GONE = Identity("12", Kind.USER, "gone", "Gone", active=False)


def people(*groups: Group) -> dict[str, Principal]:
    """Everybody, in these groups."""
    return principals({each.id: each for each in (ANN, BOT, GONE)}, {each.id: each for each in groups})


def test_everybody_active_is_a_user() -> None:
    """Active identities are principals and in the group of all users; inactive ones are nobody."""
    found = people()
    assert found.keys() == {"10", "11"}
    assert all(each.groups == {USERS_ID} and not each.admin for each in found.values())


def test_groups_in_groups_count() -> None:
    """Who is in a group is in those that contain it, however deep; circles come to an end."""
    found = people(
        Group(ADMINS_ID, "admins", frozenset({"20"})),
        Group("20", "team", frozenset({"21"})),
        Group("21", "crew", frozenset({"10", "20"})),
    )
    assert found["10"].groups == {ADMINS_ID, USERS_ID, "20", "21"}
    assert found["10"].admin
    assert not found["11"].admin


def test_a_group_gives_its_entitlements() -> None:
    """Making things may be allowed to a principal, to a group it is in, or to everybody."""
    assert not people()["11"].may_create
    assert people(Group("20", "makers", frozenset({"11"}), entitlements=(MAY_CREATE,)))["11"].may_create
    assert people(Group(USERS_ID, "users", entitlements=(MAY_CREATE,)))["11"].may_create


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ({}, None),
        ({"11": Level.CAN_MANAGE}, None),
        ({"10": Level.CAN_VIEW}, Level.CAN_VIEW),
        ({"10": Level.CAN_VIEW, "20": Level.CAN_QUERY}, Level.CAN_QUERY),
        ({"10": Level.CAN_MANAGE, "20": Level.CAN_QUERY}, Level.CAN_MANAGE),
        ({USERS_ID: Level.CAN_QUERY}, Level.CAN_QUERY),
    ],
)
def test_the_highest_level_counts(levels: dict[str, Level], expected: Level | None) -> None:
    """Of a principal's own level and those of its groups the highest counts; somebody else's does not."""
    ann = people(Group("20", "team", frozenset({"10"})))["10"]
    assert level_of(ann, levels) == expected


def test_administrators_need_no_level() -> None:
    """Members of the group admins may manage every endpoint."""
    admin = people(Group(ADMINS_ID, "admins", frozenset({"10"})))["10"]
    assert level_of(admin, {}) is Level.CAN_MANAGE
