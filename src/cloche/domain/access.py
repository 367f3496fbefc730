"""Who may do what: principals and groups, levels on endpoints, tokens, and how a token is recognised without being
kept.

A token's value is never stored.  What is kept is its digest under a key of this installation: a stolen database alone
cannot be searched for tokens, and comparing digests tells nothing about the token by timing.
This module must not know where anything is stored or how it arrives.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping

import msgspec

ADMIN = "admin"
"""The name of the user that the first token belongs to."""

ADMIN_ID = "1"
ADMINS = "admins"
"""The group whose members may do everything."""

USERS = "users"
"""The group of everybody: each active user and service principal is in it, listed or not."""

ADMINS_ID = "2"
USERS_ID = "3"

MAY_CREATE = "workspace-access"
"""The entitlement to make endpoints and secret scopes, a principal's own or a group's."""


ACCESS_TOKEN_ALGORITHM = "ES256"  # noqa: S105 (a name)
ACCESS_TOKEN_AUDIENCE = "cloche"  # noqa: S105 (a name)
"""What a signed access token bears beside `sub` (the principal's name), `iss`, `iat`, `exp` and `scope`: in `pid` its
owner's id, in `csid` the id of the client secret it was given for, in `endpoint` the id of the one endpoint it is
for."""


class Kind(enum.StrEnum):
    """What a subject of a permission is."""

    USER = "user"
    SERVICE_PRINCIPAL = "service_principal"
    GROUP = "group"


class Level(enum.IntEnum):
    """What may be done with an endpoint; each level includes the ones below it."""

    CAN_VIEW = 1
    CAN_QUERY = 2
    CAN_MANAGE = 3


class ScopeLevel(enum.IntEnum):
    """What may be done with a secret scope; each level includes the ones below it."""

    READ = 1
    WRITE = 2
    MANAGE = 3


class Principal(msgspec.Struct, frozen=True):
    """Whom a call is made by.  `name`: a user's name or a service principal's application id, unique among both.

    `groups`: ids of all groups it is in, directly or through others.  `admin`: may do everything.
    """

    id: str
    name: str
    kind: Kind = Kind.USER
    admin: bool = False
    may_create: bool = False
    groups: frozenset[str] = frozenset()


class Caller(msgspec.Struct, frozen=True):
    """Who asks for a change, and from where: what the audit log says of it.  `address`: of the client."""

    principal: Principal
    address: str = ""
    request_id: str = ""


class Identity(msgspec.Struct, frozen=True):
    """A user or service principal as it is kept.  `name`: as in Principal.  Times are Unix milliseconds."""

    id: str
    kind: Kind
    name: str
    display_name: str
    active: bool = True
    external_id: str | None = None
    emails: tuple[str, ...] = ()
    entitlements: tuple[str, ...] = ()
    created_at: int = 0


class Group(msgspec.Struct, frozen=True):
    """A group as it is kept.  `members`: ids of users, service principals and groups."""

    id: str
    name: str
    members: frozenset[str] = frozenset()
    external_id: str | None = None
    entitlements: tuple[str, ...] = ()
    created_at: int = 0


class Permission(msgspec.Struct, frozen=True):
    """A level that a subject (id of a principal or group) was given on an endpoint (by its id)."""

    endpoint_id: str
    subject_id: str
    level: Level


class Token(msgspec.Struct, frozen=True):
    """What may be told of a token.  `principal`: its owner's id.  Times are Unix milliseconds.

    `expires_at` None: never.  `last_used_at` None: not used yet; else right to about half a minute.
    """

    id: str
    principal: str
    comment: str
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None

    def valid_at(self, now_ms: int) -> bool:
        """Whether the token is accepted at a time."""
        return self.expires_at is None or now_ms < self.expires_at


class ClientSecret(msgspec.Struct, frozen=True):
    """A secret with which a service principal gets access tokens (OAuth client credentials)."""

    id: str
    principal: str
    created_at: int
    expires_at: int | None = None


def level_of(principal: Principal, levels: Mapping[str, Level]) -> Level | None:
    """The principal's level on an endpoint.  `levels`: those given on it, by subject id.  About 0.3 µs."""
    if principal.admin:
        return Level.CAN_MANAGE
    best = levels.get(principal.id)
    for group in principal.groups:
        found = levels.get(group)
        if found is not None and (best is None or found > best):
            best = found
    return best


def principals(identities: Mapping[str, Identity], groups: Mapping[str, Group]) -> dict[str, Principal]:
    """The active principals by id, each with all groups it is in and what follows from them."""
    containing: dict[str, set[str]] = {}
    for group in groups.values():
        for member in group.members:
            containing.setdefault(member, set()).add(group.id)
    return {
        identity.id: _principal(identity, _closure(identity.id, containing), groups)
        for identity in identities.values()
        if identity.active
    }


def _closure(member: str, containing: Mapping[str, set[str]]) -> frozenset[str]:
    """Every group that contains `member`, directly or through groups.  Circles end."""
    found: set[str] = set()
    waiting = [member]
    while waiting:
        for group in containing.get(waiting.pop(), ()):
            if group not in found:
                found.add(group)
                waiting.append(group)
    return frozenset(found | {USERS_ID})


def _principal(identity: Identity, within: frozenset[str], groups: Mapping[str, Group]) -> Principal:
    admin = ADMINS_ID in within
    entitled = MAY_CREATE in identity.entitlements or any(
        MAY_CREATE in groups[group].entitlements for group in within if group in groups
    )
    return Principal(identity.id, identity.name, identity.kind, admin, admin or entitled, within)


def digest(key: bytes, token: str | bytes) -> bytes:
    """What stands for a token: BLAKE2b, 32 bytes, keyed with up to 64 bytes."""
    value = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token
    return hashlib.blake2b(value, digest_size=32, key=key).digest()
