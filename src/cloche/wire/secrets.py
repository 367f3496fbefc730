"""The secrets API's JSON: what may be asked, and what is answered.

Must not know how values are kept, nor who may see them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

import msgspec

from cloche.domain.access import ScopeLevel
from cloche.domain.errors import InvalidParameter

_BACKEND = "DATABRICKS"


class CreateScope(msgspec.Struct, frozen=True):
    """POST /api/2.0/secrets/scopes/create.  `initial_manage_principal`: nobody else than `users` can be named."""

    scope: str
    initial_manage_principal: str | None = None
    scope_backend_type: str | None = None
    backend_azure_keyvault: dict[str, Any] | None = None


class ScopeName(msgspec.Struct, frozen=True):
    """POST /api/2.0/secrets/scopes/delete."""

    scope: str


class PutSecret(msgspec.Struct, frozen=True):
    """POST /api/2.0/secrets/put.  One of the values: text, or bytes in base64."""

    scope: str
    key: str
    string_value: str | None = None
    bytes_value: str | None = None


class SecretName(msgspec.Struct, frozen=True):
    """POST /api/2.0/secrets/delete."""

    scope: str
    key: str


class PutAcl(msgspec.Struct, frozen=True):
    """POST /api/2.0/secrets/acls/put.  `principal`: a user's name, an application id or a group's name."""

    scope: str
    principal: str
    permission: str


class AclName(msgspec.Struct, frozen=True):
    """POST /api/2.0/secrets/acls/delete."""

    scope: str
    principal: str


class ScopeItem(msgspec.Struct, frozen=True):
    """A scope in a list."""

    name: str
    backend_type: str = _BACKEND


class Scopes(msgspec.Struct, frozen=True):
    """The answer to scopes/list."""

    scopes: list[ScopeItem]


class SecretItem(msgspec.Struct, frozen=True):
    """A secret in a list.  The time is in Unix milliseconds."""

    key: str
    last_updated_timestamp: int


class SecretItems(msgspec.Struct, frozen=True):
    """The answer to list."""

    secrets: list[SecretItem]


class SecretValue(msgspec.Struct, frozen=True):
    """The answer to get.  `value`: base64."""

    key: str
    value: str


class AclItem(msgspec.Struct, frozen=True):
    """What a principal may do with a scope."""

    principal: str
    permission: str


class Acls(msgspec.Struct, frozen=True):
    """The answer to acls/list.  The SDK reads `items`, although its example says `acls`."""

    items: list[AclItem]


class Rewrapped(msgspec.Struct, frozen=True):
    """The answer to rewrap: how many values were wrapped anew, and which master key has wrapped them all now."""

    rewrapped: int
    key_id: str


def scope_to_create(asked: CreateScope) -> tuple[str, bool]:
    """The name of a scope that is to be, and whether everybody shall manage it.  Raises InvalidParameter."""
    if asked.backend_azure_keyvault is not None or (asked.scope_backend_type or _BACKEND).upper() != _BACKEND:
        raise InvalidParameter(f"scope_backend_type: must be {_BACKEND}: secrets are kept in cloche's own database")
    if asked.initial_manage_principal not in (None, "users"):
        raise InvalidParameter("initial_manage_principal: must be `users`, or left out for the caller alone")
    return asked.scope, asked.initial_manage_principal is not None


def value_to_put(asked: PutSecret) -> bytes:
    """The value of a secret that is to be.  Raises InvalidParameter, which never shows it."""
    if (asked.string_value is None) == (asked.bytes_value is None):
        raise InvalidParameter("string_value: give exactly one of string_value and bytes_value")
    if asked.string_value is not None:
        return asked.string_value.encode()
    try:
        return base64.b64decode(asked.bytes_value or "", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidParameter("bytes_value: must be base64") from None


def read_level(permission: str) -> ScopeLevel:
    """The level that a word names.  Raises InvalidParameter."""
    found = ScopeLevel.__members__.get(permission)
    if found is None:
        raise InvalidParameter(f"permission: must be {', '.join(ScopeLevel.__members__)}, not {permission!r}")
    return found


def scopes(names: Iterable[str]) -> Scopes:
    """The answer to scopes/list."""
    return Scopes([ScopeItem(name) for name in names])


def secret_items(keys: Iterable[tuple[str, int]]) -> SecretItems:
    """The answer to list, from (key, time of the last change)."""
    return SecretItems([SecretItem(key, at) for key, at in keys])


def secret_value(key: str, value: bytes) -> SecretValue:
    """The answer to get."""
    return SecretValue(key, base64.b64encode(value).decode())


def acl_item(principal: str, level: ScopeLevel) -> AclItem:
    """The answer to acls/get."""
    return AclItem(principal, level.name)


def acls(levels: Iterable[tuple[str, ScopeLevel]]) -> Acls:
    """The answer to acls/list."""
    return Acls([acl_item(principal, level) for principal, level in levels])
