"""Users, service principals, groups and who is in which.

Must not know what being in a group means, nor mint ids or times.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, true, update

from cloche.domain.access import Group, Identity, Kind
from cloche.store.tables import groups, identities, members

_Texts = tuple[str, ...]


class IdentityTable:
    """Rows of `identities`, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, identity: Identity) -> None:
        """Keep an identity, in place of the one with its id."""
        self._connection.execute(delete(identities).where(identities.c.id == identity.id))
        self._connection.execute(
            insert(identities).values(
                id=identity.id,
                kind=identity.kind.value,
                name=identity.name,
                display_name=identity.display_name,
                active=identity.active,
                external_id=identity.external_id,
                emails=_text(identity.emails),
                entitlements=_text(identity.entitlements),
                created_at=identity.created_at,
            )
        )

    def get(self, identity_id: str) -> Identity | None:
        """The identity of that id."""
        return self._one(select(identities).where(identities.c.id == identity_id))

    def named(self, name: str) -> Identity | None:
        """The identity of that name: a user's name or an application id."""
        return self._one(select(identities).where(identities.c.name == name))

    def all(self) -> list[Identity]:
        """Every identity, in the order they were made."""
        rows = self._connection.execute(select(identities).order_by(identities.c.created_at, identities.c.id))
        return [_identity(row) for row in rows]

    def remove(self, identity_id: str) -> bool:
        """Forget an identity and take it out of its groups; whether it was there."""
        self._connection.execute(delete(members).where(members.c.member_id == identity_id))
        return self._connection.execute(delete(identities).where(identities.c.id == identity_id)).rowcount > 0

    def _one(self, wanted: object) -> Identity | None:
        row = self._connection.execute(wanted).one_or_none()  # type: ignore[call-overload]
        return None if row is None else _identity(row)


class GroupTable:
    """Rows of `groups` and `members`, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, group: Group) -> None:
        """Keep a group with exactly its members, in place of the one with its id."""
        values = {"name": group.name, "external_id": group.external_id, "entitlements": _text(group.entitlements)}
        if not self._connection.execute(update(groups).where(groups.c.id == group.id).values(**values)).rowcount:
            self._connection.execute(insert(groups).values(id=group.id, created_at=group.created_at, **values))
        self._connection.execute(delete(members).where(members.c.group_id == group.id))
        for member in sorted(group.members):
            self._connection.execute(insert(members).values(group_id=group.id, member_id=member))

    def get(self, group_id: str) -> Group | None:
        """The group of that id."""
        return next(self._where(groups.c.id == group_id), None)

    def named(self, name: str) -> Group | None:
        """The group of that name."""
        return next(self._where(groups.c.name == name), None)

    def all(self) -> list[Group]:
        """Every group, in the order they were made."""
        return list(self._where(true()))

    def _where(self, wanted: ColumnElement[bool]) -> Iterator[Group]:
        inside: dict[str, set[str]] = {}
        belonging = select(members).join(groups, groups.c.id == members.c.group_id).where(wanted)
        for row in self._connection.execute(belonging):
            inside.setdefault(row.group_id, set()).add(row.member_id)
        rows = self._connection.execute(select(groups).where(wanted).order_by(groups.c.created_at, groups.c.id))
        for row in rows:
            yield Group(
                row.id,
                row.name,
                frozenset(inside.get(row.id, ())),
                row.external_id,
                msgspec.json.decode(row.entitlements, type=_Texts),
                row.created_at,
            )

    def remove(self, group_id: str) -> bool:
        """Forget a group, and take it out of the groups it is in; whether it was there."""
        for column in (members.c.group_id, members.c.member_id):
            self._connection.execute(delete(members).where(column == group_id))
        return self._connection.execute(delete(groups).where(groups.c.id == group_id)).rowcount > 0


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _identity(row: Row[tuple[object, ...]]) -> Identity:
    return Identity(
        row.id,
        Kind(row.kind),
        row.name,
        row.display_name,
        bool(row.active),
        row.external_id,
        msgspec.json.decode(row.emails, type=_Texts),
        msgspec.json.decode(row.entitlements, type=_Texts),
        row.created_at,
    )
