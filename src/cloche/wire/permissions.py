"""Permissions on a serving endpoint, as the permissions API has them: bodies in, access control lists out.

Must not know who may give what, nor ids: principals are named here as their owners know them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from cloche.domain.access import ADMINS, Kind, Level
from cloche.domain.errors import InvalidFields, InvalidParameter

LevelName = Literal["CAN_VIEW", "CAN_QUERY", "CAN_MANAGE"]

_FIELDS = {Kind.USER: "user_name", Kind.GROUP: "group_name", Kind.SERVICE_PRINCIPAL: "service_principal_name"}
_NAMES: dict[Level, LevelName] = {
    Level.CAN_VIEW: "CAN_VIEW",
    Level.CAN_QUERY: "CAN_QUERY",
    Level.CAN_MANAGE: "CAN_MANAGE",
}
_DESCRIPTIONS = {
    Level.CAN_VIEW: "Can see the endpoint.",
    Level.CAN_QUERY: "Can see and query the endpoint.",
    Level.CAN_MANAGE: "Can see, query, change and delete the endpoint, and give permissions on it.",
}


class AccessControl(msgspec.Struct, frozen=True):
    """One entry of a request: exactly one principal, and its level."""

    permission_level: LevelName
    user_name: str | None = None
    group_name: str | None = None
    service_principal_name: str | None = None


class SetPermissions(msgspec.Struct, frozen=True):
    """PUT and PATCH.  An absent list is an empty one."""

    access_control_list: list[AccessControl] = []


class Entry(msgspec.Struct, frozen=True):
    """A level for a principal that is named.  `field`: where it stands in the body."""

    kind: Kind
    name: str
    level: Level
    field: str = ""


class Shown(msgspec.Struct, frozen=True):
    """A level as it is told.  `display`: of users and service principals."""

    kind: Kind
    name: str
    display: str
    level: Level


class Permission(msgspec.Struct, frozen=True, omit_defaults=True):
    """One level of a principal, given on the endpoint itself or inherited."""

    permission_level: LevelName
    inherited: bool
    inherited_from_object: list[str] = []


class AccessControlAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of an answer."""

    all_permissions: list[Permission]
    user_name: str | None = None
    group_name: str | None = None
    service_principal_name: str | None = None
    display_name: str | None = None


class ObjectPermissions(msgspec.Struct, frozen=True):
    """Who may do what with an endpoint."""

    object_id: str
    object_type: str
    access_control_list: list[AccessControlAnswer]


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One way in which somebody has a level.  `group`: the one that it was given to.  `via`: the groups in between,
    where who is asked about is in a group that is in that one."""

    level: str
    through: Literal["creator", "admin", "direct", "group"]
    group: str = ""
    via: list[str] = []


class Explanation(msgspec.Struct, frozen=True):
    """Why somebody may or may not.  `level`: the best that they have.  `advice`: what to do where they may not."""

    principal: str
    kind: str
    level_wanted: str
    allowed: bool
    level: str | None
    reasons: list[Reason]
    advice: str


EXPLAIN_QUERY = (
    ("principal", "The name of a user, service principal or group; without it the caller."),
    ("level", "CAN_VIEW, CAN_QUERY or CAN_MANAGE; without it CAN_QUERY."),
)


def read_wanted(text: str | None) -> Level:
    """The level that a query asks about.  InvalidParameter."""
    if text is None:
        return Level.CAN_QUERY
    if text not in Level.__members__:
        raise InvalidParameter(f"level: must be one of {', '.join(Level.__members__)}")
    return Level[text]


def entries(body: SetPermissions) -> list[Entry]:
    """The entries of a body.  InvalidFields."""
    found, faults = [], []
    for index, each in enumerate(body.access_control_list):
        place = f"access_control_list[{index}]"
        named = [(kind, name) for kind, field in _FIELDS.items() if (name := getattr(each, field)) is not None]
        if len(named) == 1:
            kind, name = named[0]
            found.append(Entry(kind, name, Level[each.permission_level], f"{place}.{_FIELDS[kind]}"))
        else:
            faults.append((place, f"exactly one of {', '.join(_FIELDS.values())} is required"))
    if faults:
        raise InvalidFields(faults)
    return found


def document(endpoint_id: str, levels: Iterable[Shown]) -> ObjectPermissions:
    """The access control list of an endpoint: the direct levels, and the inherited one of the administrators."""
    inherited = Permission(_NAMES[Level.CAN_MANAGE], inherited=True, inherited_from_object=["/serving-endpoints/"])
    listed = []
    of_admins = [inherited]
    for each in levels:
        direct = Permission(_NAMES[each.level], inherited=False)
        if each.kind is Kind.GROUP and each.name == ADMINS:
            of_admins.insert(0, direct)
            continue
        who: dict[str, Any] = {_FIELDS[each.kind]: each.name}
        if each.kind is not Kind.GROUP:
            who["display_name"] = each.display
        listed.append(AccessControlAnswer([direct], **who))
    listed.append(AccessControlAnswer(of_admins, group_name=ADMINS))
    return ObjectPermissions(f"/serving-endpoints/{endpoint_id}", "serving-endpoint", listed)


def levels_document() -> dict[str, Any]:
    """The levels that there are."""
    return {
        "permission_levels": [
            {"permission_level": level.name, "description": told} for level, told in _DESCRIPTIONS.items()
        ]
    }
