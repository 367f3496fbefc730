"""Users, service principals and groups in the JSON of SCIM 2.0 (RFC 7643), both ways.

A resource is a document (a plain dict under SCIM's names) or a value of the domain; nothing else is made of it.
Changing a part (`wire/scim_patch.py`) and asking (`wire/scim_query.py`) work on documents.  Must not know who may be
a member of what, or what a name must not be: those are the use-cases' rules.

Unknown attributes are let be, as SCIM wants it; those that would promise something that is not kept are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from cloche.codec import json_text
from cloche.domain.access import Group, Identity, Kind
from cloche.domain.errors import InvalidFields

Document = dict[str, Any]

_CORE = "urn:ietf:params:scim:schemas:core:2.0:"
_TEXT = re.compile(r"(?! )[^\x00-\x1f\x7f]{1,255}(?<! )")
_ENTITLEMENT = re.compile(r"[A-Za-z0-9_.-]{1,255}")


class Value(msgspec.Struct, frozen=True):
    """One of several values: of `entitlements` its name, of `members` the id, of `emails` the address."""

    value: str


class Name(msgspec.Struct, frozen=True, rename="camel"):
    """A person's name; it is shown where no `displayName` is given, and not kept in parts."""

    given_name: str | None = None
    family_name: str | None = None


class User(msgspec.Struct, frozen=True, rename="camel"):
    """The body for a user."""

    user_name: str
    display_name: str | None = None
    active: bool | None = None
    external_id: str | None = None
    name: Name | None = None
    emails: list[Value] | None = None
    entitlements: list[Value] | None = None
    groups: list[Value] | None = None
    roles: list[Value] | None = None


class ServicePrincipal(msgspec.Struct, frozen=True, rename="camel"):
    """The body for a service principal.  `application_id`: made by the server where none is given."""

    display_name: str | None = None
    application_id: str | None = None
    active: bool | None = None
    external_id: str | None = None
    entitlements: list[Value] | None = None
    groups: list[Value] | None = None
    roles: list[Value] | None = None


class GroupBody(msgspec.Struct, frozen=True, rename="camel"):
    """The body for a group.  `members`: ids of users, service principals and groups."""

    display_name: str
    external_id: str | None = None
    members: list[Value] | None = None
    entitlements: list[Value] | None = None
    groups: list[Value] | None = None
    roles: list[Value] | None = None


def read_user(document: object, kept: Identity) -> Identity:
    """The user that a document describes, in place of the one kept.  BadRequest, InvalidFields."""
    body = _shaped(document, User)
    faults = _Faults()
    faults.text("userName", body.user_name)
    faults.inherited(body)
    shown = body.display_name or _full_name(body.name) or body.user_name
    faults.text("displayName", shown)
    emails = tuple(each.value for each in body.emails or ())
    for index, email in enumerate(emails):
        faults.text(f"emails[{index}].value", email)
    return replace(
        kept,
        name=body.user_name,
        display_name=shown,
        active=kept.active if body.active is None else body.active,
        external_id=faults.optional("externalId", body.external_id),
        emails=emails,
        entitlements=faults.checked(_entitlements(body.entitlements)),
    )


def read_service_principal(document: object, kept: Identity) -> Identity:
    """The service principal that a document describes, in place of the one kept.  BadRequest, InvalidFields."""
    body = _shaped(document, ServicePrincipal)
    faults = _Faults()
    application_id = body.application_id or kept.name
    faults.text("applicationId", application_id)
    faults.inherited(body)
    shown = body.display_name or application_id
    faults.text("displayName", shown)
    return replace(
        kept,
        name=application_id,
        display_name=shown,
        active=kept.active if body.active is None else body.active,
        external_id=faults.optional("externalId", body.external_id),
        entitlements=faults.checked(_entitlements(body.entitlements)),
    )


def read_group(document: object, kept: Group) -> Group:
    """The group that a document describes, in place of the one kept.  BadRequest, InvalidFields."""
    body = _shaped(document, GroupBody)
    faults = _Faults()
    faults.text("displayName", body.display_name)
    faults.inherited(body)
    return replace(
        kept,
        name=body.display_name,
        members=frozenset(each.value for each in body.members or ()),
        external_id=faults.optional("externalId", body.external_id),
        entitlements=faults.checked(_entitlements(body.entitlements)),
    )


def refuse_groups(document: object) -> None:
    """InvalidFields where a body that makes something says which groups it is in: it would be made without them."""
    if isinstance(document, dict) and document.get("groups"):
        raise InvalidFields([("groups", "read-only: add the new id to the members of each group instead")])


def user_document(identity: Identity, within: Iterable[Group]) -> Document:
    """A user or service principal.  `within`: the groups that it is in directly."""
    own: Document = {"userName": identity.name, "emails": _emails(identity)}
    if identity.kind is Kind.SERVICE_PRINCIPAL:
        own = {"applicationId": identity.name}
    what = "ServicePrincipal" if identity.kind is Kind.SERVICE_PRINCIPAL else "User"
    return {
        "schemas": [_CORE + what],
        "id": identity.id,
        **own,
        "displayName": identity.display_name,
        "active": identity.active,
        "entitlements": [{"value": each} for each in identity.entitlements],
        "groups": _groups(within),
        **_external(identity.external_id),
        "meta": {"resourceType": what},
    }


def own_document(identity: Identity, within: Iterable[Group]) -> Document:
    """Whoever asks who they are, always as a user: the clients know no other form here."""
    told = user_document(identity, within)
    return told | {"schemas": [_CORE + "User"], "userName": identity.name, "emails": _emails(identity)}


def group_document(group: Group, names: Mapping[str, tuple[str, str]], within: Iterable[Group]) -> Document:
    """A group.  `names`: of each member by its id: what is shown, and the SCIM name of its collection."""
    members = []
    for member in sorted(group.members):
        shown, collection = names.get(member, (member, "Users"))
        members.append({"value": member, "display": shown, "$ref": f"{collection}/{member}"})
    return {
        "schemas": [_CORE + "Group"],
        "id": group.id,
        "displayName": group.name,
        "members": members,
        "entitlements": [{"value": each} for each in group.entitlements],
        "groups": _groups(within),
        **_external(group.external_id),
        "meta": {"resourceType": "WorkspaceGroup"},
    }


def _emails(identity: Identity) -> list[Document]:
    return [{"value": email, "type": "work", "primary": not index} for index, email in enumerate(identity.emails)]


def _groups(within: Iterable[Group]) -> list[Document]:
    return [
        {"value": group.id, "display": group.name, "type": "direct", "$ref": f"Groups/{group.id}"} for group in within
    ]


def _external(external_id: str | None) -> Document:
    return {} if external_id is None else {"externalId": external_id}


def _full_name(name: Name | None) -> str:
    return "" if name is None else " ".join(part for part in (name.given_name, name.family_name) if part)


def _entitlements(values: list[Value] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.value for each in values or ()))


class _Faults:
    """Collects what is wrong; `checked`, which every reader calls last, raises it all."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str]] = []

    def text(self, field: str, value: str) -> None:
        if not _TEXT.fullmatch(value):
            self._found.append((field, "must be 1 to 255 characters, without control characters or spaces around"))

    def optional(self, field: str, value: str | None) -> str | None:
        if value is not None:
            self.text(field, value)
        return value

    def inherited(self, body: User | ServicePrincipal | GroupBody) -> None:
        """What the API has and cloche has not."""
        if body.roles:
            self._found.append(("roles", "not supported: cloud roles have no meaning here"))

    def checked(self, entitlements: tuple[str, ...]) -> tuple[str, ...]:
        for index, value in enumerate(entitlements):
            if not _ENTITLEMENT.fullmatch(value):
                self._found.append((f"entitlements[{index}].value", "is no name of an entitlement"))
        if self._found:
            raise InvalidFields(self._found)
        return entitlements


Shape = TypeVar("Shape")


def _shaped(document: object, shape: type[Shape]) -> Shape:
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        json_text.raise_bad_request(error)
