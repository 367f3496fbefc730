"""What access tokens are made from: client secrets of service principals, and the keys that sign.

Must not know how either is made or checked.
"""

from __future__ import annotations

from sqlalchemy import Connection, Row, delete, insert, select, update

from cloche.domain.access import ClientSecret
from cloche.domain.state import SigningKey
from cloche.store.tables import client_secrets, signing_keys


class ClientSecretTable:
    """Rows of `client_secrets`, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, secret: ClientSecret, digest: bytes) -> None:
        """Keep a secret under its digest."""
        self._connection.execute(
            insert(client_secrets).values(
                id=secret.id,
                principal=secret.principal,
                digest=digest,
                created_at=secret.created_at,
                expires_at=secret.expires_at,
            )
        )

    def with_digest(self, digest: bytes) -> ClientSecret | None:
        """The secret that has this digest."""
        row = self._connection.execute(select(client_secrets).where(client_secrets.c.digest == digest)).one_or_none()
        return None if row is None else _secret(row)

    def all(self, principal: str | None = None) -> list[ClientSecret]:
        """Every secret, or every one of a service principal, the oldest first."""
        wanted = select(client_secrets).order_by(client_secrets.c.created_at, client_secrets.c.id)
        if principal is not None:
            wanted = wanted.where(client_secrets.c.principal == principal)
        return [_secret(row) for row in self._connection.execute(wanted)]

    def remove(self, principal: str, secret_id: str) -> bool:
        """Forget a service principal's secret; whether it was there."""
        wanted = (client_secrets.c.principal == principal) & (client_secrets.c.id == secret_id)
        return self._connection.execute(delete(client_secrets).where(wanted)).rowcount > 0

    def remove_of(self, principal: str) -> None:
        """Forget every secret of a service principal."""
        self._connection.execute(delete(client_secrets).where(client_secrets.c.principal == principal))


class SigningKeyTable:
    """Rows of `signing_keys`, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, key: SigningKey) -> None:
        """Keep a key."""
        self._connection.execute(
            insert(signing_keys).values(
                id=key.id, public_jwk=key.public_jwk, sealed=key.sealed, created_at=key.created_at, retired_at=None
            )
        )

    def all(self) -> list[SigningKey]:
        """Every key, the newest first."""
        rows = self._connection.execute(
            select(signing_keys).order_by(signing_keys.c.created_at.desc(), signing_keys.c.id)
        )
        return [SigningKey(row.id, row.public_jwk, row.sealed, row.created_at, row.retired_at) for row in rows]

    def retire(self, key_id: str, at_ms: int) -> None:
        """Let a key sign no more."""
        self._connection.execute(update(signing_keys).where(signing_keys.c.id == key_id).values(retired_at=at_ms))

    def reseal(self, key_id: str, sealed: bytes) -> None:
        """Keep the private key sealed otherwise."""
        self._connection.execute(update(signing_keys).where(signing_keys.c.id == key_id).values(sealed=sealed))

    def remove(self, key_id: str) -> None:
        """Forget a key; what it signed is refused from then on."""
        self._connection.execute(delete(signing_keys).where(signing_keys.c.id == key_id))


def _secret(row: Row[tuple[object, ...]]) -> ClientSecret:
    return ClientSecret(row.id, row.principal, row.created_at, row.expires_at)
