"""Permissions over a real database: replaced, merged, shown, and the slip that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloche.domain.access import Kind, Level
from cloche.domain.errors import InvalidFields, InvalidParameter, NotFound, PermissionDenied
from cloche.wire import permissions
from cloche.wire.permissions import Entry

from .identity_world import ENDPOINT, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh home."""
    made = World(tmp_path)
    yield made
    made.store.close()


def shown(world: World) -> list[tuple[str, str]]:
    """Name and level of each."""
    return [(each.name, each.level.name) for each in world.permissions.of(ENDPOINT)]


def read(*entries: dict[str, Any]) -> list[Entry]:
    """Entries of a body."""
    return permissions.entries(msgspec.convert({"access_control_list": entries}, permissions.SetPermissions))


def test_put_replaces_and_patch_merges(world: World) -> None:
    """PUT gives exactly what it says, PATCH changes whom it names."""
    world.user("ada")
    robot = world.robot("job")
    world.group("team")
    caller = world.caller()
    first = read(
        {"user_name": "ada", "permission_level": "CAN_VIEW"}, {"group_name": "team", "permission_level": "CAN_QUERY"}
    )
    world.permissions.replace(caller, ENDPOINT, first)
    assert shown(world) == [("team", "CAN_QUERY"), ("ada", "CAN_VIEW")]
    merged = read(
        {"user_name": "ada", "permission_level": "CAN_MANAGE"},
        {"service_principal_name": robot.name, "permission_level": "CAN_QUERY"},
    )
    world.permissions.merge(caller, ENDPOINT, merged)
    assert shown(world) == [("team", "CAN_QUERY"), (robot.name, "CAN_QUERY"), ("ada", "CAN_MANAGE")]
    world.permissions.replace(caller, ENDPOINT, [])
    assert shown(world) == []
    assert world.actions()[0] == "permissions.change"


def test_faults_are_all_told(world: World) -> None:
    """Unknown principals, one that is given twice, and entries that name none or two are told with their fields."""
    entries = read(
        {"user_name": "nobody", "permission_level": "CAN_VIEW"},
        {"user_name": "admin", "permission_level": "CAN_VIEW"},
        {"user_name": "admin", "permission_level": "CAN_QUERY"},
    )
    with pytest.raises(InvalidFields) as caught:
        world.permissions.replace(world.caller(), ENDPOINT, entries)
    assert [field for field, _ in caught.value.details] == [
        "access_control_list[0].user_name",
        "access_control_list[2].user_name",
    ]
    with pytest.raises(InvalidFields, match=r"access_control_list\[0\]: exactly one"):
        read({"permission_level": "CAN_VIEW"})
    with pytest.raises(InvalidFields, match="exactly one"):
        read({"user_name": "a", "group_name": "b", "permission_level": "CAN_VIEW"})


def test_nobody_shuts_themselves_out(world: World) -> None:
    """A manager who is no administrator cannot take CAN_MANAGE from themselves, and nothing has changed then."""
    ada = world.user("ada")
    world.permissions.merge(world.caller(), ENDPOINT, [Entry(Kind.USER, "ada", Level.CAN_MANAGE)])
    for change in (world.permissions.replace, world.permissions.merge):
        with pytest.raises(InvalidParameter, match="from yourself"):
            change(world.caller(ada.id), ENDPOINT, [Entry(Kind.USER, "ada", Level.CAN_QUERY)])
    assert shown(world) == [("ada", "CAN_MANAGE")]
    world.group("team", ada.id)
    world.permissions.replace(world.caller(ada.id), ENDPOINT, [Entry(Kind.GROUP, "team", Level.CAN_MANAGE)])


def test_administrators_are_shown_as_they_inherit(world: World) -> None:
    """The group admins has CAN_MANAGE by inheritance, and beside it what it was given directly."""
    world.permissions.replace(world.caller(), ENDPOINT, [Entry(Kind.GROUP, "admins", Level.CAN_VIEW)])
    told = msgspec.to_builtins(permissions.document(ENDPOINT, world.permissions.of(ENDPOINT)))
    inherited = {"permission_level": "CAN_MANAGE", "inherited": True, "inherited_from_object": ["/serving-endpoints/"]}
    assert told == {
        "object_id": f"/serving-endpoints/{ENDPOINT}",
        "object_type": "serving-endpoint",
        "access_control_list": [
            {
                "group_name": "admins",
                "all_permissions": [{"permission_level": "CAN_VIEW", "inherited": False}, inherited],
            }
        ],
    }


def test_an_unknown_endpoint_is_told(world: World) -> None:
    """An id that no endpoint has is NotFound, for reading and for changing."""
    with pytest.raises(NotFound):
        world.permissions.of("other")
    with pytest.raises(NotFound):
        world.permissions.replace(world.caller(), "other", [])


def test_every_way_is_told(world: World) -> None:
    """Creators, administrators, direct levels and groups within groups are told, and what to do where none suffices."""
    ada, bob = world.user("ada"), world.user("bob")
    inner = world.group("inner", ada.id)
    world.group("outer", inner.id)
    levels = read(
        {"group_name": "outer", "permission_level": "CAN_QUERY"},
        {"user_name": "ada", "permission_level": "CAN_VIEW"},
        {"user_name": "admin", "permission_level": "CAN_MANAGE"},
    )
    world.permissions.replace(world.caller(), ENDPOINT, levels)
    admin = world.caller().principal

    def told(name: str, wanted: Level = Level.CAN_QUERY) -> permissions.Explanation:
        return world.permissions.explain(admin, ENDPOINT, name, wanted)

    assert [msgspec.to_builtins(each) for each in told("ada").reasons] == [
        {"level": "CAN_QUERY", "through": "group", "group": "outer", "via": ["inner"]},
        {"level": "CAN_VIEW", "through": "direct"},
    ]
    assert (told("ada").allowed, told("ada").level, told("ada").advice) == (True, "CAN_QUERY", "")
    assert [each.through for each in told("admin").reasons] == ["creator", "admin"]
    assert (told("inner").kind, told("inner").allowed, told("admins").reasons[0].through) == ("group", True, "admin")
    refused = told("ada", Level.CAN_MANAGE)
    assert not refused.allowed
    assert "has CAN_QUERY on 'chat' and needs CAN_MANAGE" in refused.advice
    assert (told("bob").level, told("bob").reasons) == (None, [])
    world.active(ada, active=False)
    assert not told("ada").allowed
    assert "deactivated" in told("ada").advice
    with pytest.raises(NotFound, match="'eve'"):
        told("eve")
    # Whether `explain` and the door agree is what it is for.
    bobs = world.caller(bob.id).principal
    assert not world.permissions.explain(bobs, ENDPOINT, None, Level.CAN_VIEW).allowed
    with pytest.raises(PermissionDenied, match="about themselves only"):
        world.permissions.explain(bobs, ENDPOINT, "ada", Level.CAN_VIEW)
