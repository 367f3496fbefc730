"""Tokens at rest: what is told of each, and the digest that stands for its value.

Must not know how digests are made, nor mint ids or times.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from cloche.domain.access import Token
from cloche.store.tables import tokens


class TokenTable:
    """Rows of `tokens`, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, token: Token, digest: bytes) -> None:
        """Keep a token under its digest, in place of any with the same id or digest."""
        self._connection.execute(delete(tokens).where(or_(tokens.c.id == token.id, tokens.c.digest == digest)))
        self._connection.execute(
            insert(tokens).values(
                id=token.id,
                digest=digest,
                principal=token.principal,
                comment=token.comment,
                created_at=token.created_at,
                expires_at=token.expires_at,
            )
        )

    def get(self, token_id: str) -> Token | None:
        """The token of that id."""
        row = self._connection.execute(select(tokens).where(tokens.c.id == token_id)).one_or_none()
        return None if row is None else _token(row)

    def remove(self, token_id: str) -> bool:
        """Forget a token; whether it was there."""
        return self._connection.execute(delete(tokens).where(tokens.c.id == token_id)).rowcount > 0

    def remove_of(self, principal: str) -> None:
        """Forget every token of a principal."""
        self._connection.execute(delete(tokens).where(tokens.c.principal == principal))

    def remove_expired(self, before_ms: int) -> None:
        """Forget the tokens that ended before a time."""
        self._connection.execute(delete(tokens).where(tokens.c.expires_at < before_ms))

    def all(self, principal: str | None = None) -> list[Token]:
        """Every token, or every one of a principal, the newest first, expired ones too."""
        wanted = select(tokens).order_by(tokens.c.created_at.desc(), tokens.c.id)
        if principal is not None:
            wanted = wanted.where(tokens.c.principal == principal)
        return [_token(row) for row in self._connection.execute(wanted)]

    def count(self, principal: str) -> int:
        """How many tokens a principal has."""
        wanted = select(func.count()).select_from(tokens).where(tokens.c.principal == principal)
        return int(self._connection.execute(wanted).scalar_one())

    def by_digest(self) -> list[tuple[bytes, Token]]:
        """Every token with its digest, in the order of ids."""
        rows = self._connection.execute(select(tokens).order_by(tokens.c.id))
        return [(row.digest, _token(row)) for row in rows]

    def used(self, times: Mapping[str, int]) -> None:
        """Note when tokens, by id, were last used."""
        # In the order of ids, because processes that lock the same rows in different orders lock each other out.
        for token_id, at in sorted(times.items()):
            # Several processes tell what they saw, in any order: the latest counts.
            before = or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at < at)
            changed = update(tokens).where((tokens.c.id == token_id) & before)
            self._connection.execute(changed.values(last_used_at=at))


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(row.id, row.principal, row.comment, row.created_at, row.expires_at, row.last_used_at)
