"""Secret scopes, their sealed values, and who may do what with them.

Must not know how values are sealed.  A scope with an `endpoint_id` keeps the plaintext credentials of that endpoint.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from cloche.domain.access import ScopeLevel
from cloche.store.tables import secret_acls, secret_scopes, secrets


class Scope(msgspec.Struct, frozen=True):
    """A scope.  `endpoint_id`: the endpoint whose credentials it keeps, hidden from everybody."""

    name: str
    endpoint_id: str | None
    created_at: int


class SecretTable:
    """Rows of `secret_scopes`, `secrets` and `secret_acls`, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # ---------------------------------------------------------------- scopes

    def add_scope(self, scope: Scope) -> None:
        """Make a scope; its name must be free."""
        self._connection.execute(
            insert(secret_scopes).values(name=scope.name, endpoint_id=scope.endpoint_id, created_at=scope.created_at)
        )

    def scope(self, name: str) -> Scope | None:
        """The scope of that name, hidden ones too."""
        row = self._connection.execute(select(secret_scopes).where(secret_scopes.c.name == name)).one_or_none()
        return None if row is None else Scope(row.name, row.endpoint_id, row.created_at)

    def scopes(self) -> list[Scope]:
        """Every scope by name, hidden ones too."""
        rows = self._connection.execute(select(secret_scopes).order_by(secret_scopes.c.name))
        return [Scope(row.name, row.endpoint_id, row.created_at) for row in rows]

    def remove_scope(self, name: str) -> bool:
        """Forget a scope with all that is in it; whether it was there."""
        for owned in (secrets, secret_acls):
            self._connection.execute(delete(owned).where(owned.c.scope == name))
        return self._connection.execute(delete(secret_scopes).where(secret_scopes.c.name == name)).rowcount > 0

    # ---------------------------------------------------------------- values

    def put(self, scope: str, key: str, sealed: bytes, at_ms: int) -> None:
        """Keep a sealed value, in place of the one that was there."""
        place = (secrets.c.scope == scope) & (secrets.c.key == key)
        if not self._connection.execute(update(secrets).where(place).values(sealed=sealed, updated_at=at_ms)).rowcount:
            self._connection.execute(insert(secrets).values(scope=scope, key=key, sealed=sealed, updated_at=at_ms))

    def reseal(self, scope: str, key: str, sealed: bytes) -> None:
        """Keep the same value sealed otherwise."""
        place = (secrets.c.scope == scope) & (secrets.c.key == key)
        self._connection.execute(update(secrets).where(place).values(sealed=sealed))

    def get(self, scope: str, key: str) -> bytes | None:
        """The sealed value."""
        place = (secrets.c.scope == scope) & (secrets.c.key == key)
        return self._connection.execute(select(secrets.c.sealed).where(place)).scalar_one_or_none()

    def keys(self, scope: str) -> list[tuple[str, int]]:
        """(key, time of the last change) of every value in a scope."""
        wanted = select(secrets.c.key, secrets.c.updated_at).where(secrets.c.scope == scope).order_by(secrets.c.key)
        return [(row.key, row.updated_at) for row in self._connection.execute(wanted)]

    def remove(self, scope: str, key: str) -> bool:
        """Forget a value; whether it was there."""
        place = (secrets.c.scope == scope) & (secrets.c.key == key)
        return self._connection.execute(delete(secrets).where(place)).rowcount > 0

    def sealed(self, places: Iterable[tuple[str, str]]) -> list[tuple[str, str, bytes]]:
        """(scope, key, sealed value) at each of the places that has one, in order."""
        found = ((scope, key, self.get(scope, key)) for scope, key in sorted(set(places)))
        return [(scope, key, value) for scope, key, value in found if value is not None]

    def every(self) -> list[tuple[str, str, bytes]]:
        """(scope, key, sealed value) of every value there is."""
        rows = self._connection.execute(select(secrets).order_by(secrets.c.scope, secrets.c.key))
        return [(row.scope, row.key, row.sealed) for row in rows]

    # ---------------------------------------------------------------- who may

    def put_acl(self, scope: str, subject_id: str, level: ScopeLevel) -> None:
        """Give a subject a level on a scope, in place of the one it had."""
        self.remove_acl(scope, subject_id)
        self._connection.execute(insert(secret_acls).values(scope=scope, subject_id=subject_id, level=level.value))

    def acls(self, scope: str) -> dict[str, ScopeLevel]:
        """The levels on a scope by subject id."""
        rows = self._connection.execute(
            select(secret_acls).where(secret_acls.c.scope == scope).order_by(secret_acls.c.subject_id)
        )
        return {row.subject_id: ScopeLevel(row.level) for row in rows}

    def remove_acl(self, scope: str, subject_id: str) -> bool:
        """Take a subject's level on a scope; whether it had one."""
        place = (secret_acls.c.scope == scope) & (secret_acls.c.subject_id == subject_id)
        return self._connection.execute(delete(secret_acls).where(place)).rowcount > 0

    def remove_acls_of(self, subject_id: str) -> None:
        """Take every level from a subject."""
        self._connection.execute(delete(secret_acls).where(secret_acls.c.subject_id == subject_id))
