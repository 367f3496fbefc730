"""Tokens at rest: what is told of each, and the digest that stands for its value.

Must not know how digests are made, nor mint ids or times.
"""

from __future__ import annotations

from sqlalchemy import Engine, Row, delete, insert, or_, select

from cloche.domain.access import Token
from cloche.store.tables import tokens


class TokenTable:
    """Rows of `tokens`.  Each method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, token: Token, digest: bytes) -> None:
        """Keep a token under its digest, in place of any with the same id or digest."""
        with self._engine.begin() as connection:
            connection.execute(delete(tokens).where(or_(tokens.c.id == token.id, tokens.c.digest == digest)))
            connection.execute(
                insert(tokens).values(
                    id=token.id,
                    digest=digest,
                    principal=token.principal,
                    comment=token.comment,
                    created_at=token.created_at,
                    expires_at=token.expires_at,
                )
            )

    def remove(self, token_id: str) -> bool:
        """Forget a token; whether it was there."""
        with self._engine.begin() as connection:
            return connection.execute(delete(tokens).where(tokens.c.id == token_id)).rowcount > 0

    def all(self) -> list[Token]:
        """Every token, the newest first, expired ones too."""
        with self._engine.begin() as connection:
            rows = connection.execute(select(tokens).order_by(tokens.c.created_at.desc(), tokens.c.id))
            return [_token(row) for row in rows]

    def active(self, now_ms: int) -> dict[bytes, Token]:
        """Every token that is valid at a time, by its digest."""
        valid = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now_ms)
        with self._engine.begin() as connection:
            return {row.digest: _token(row) for row in connection.execute(select(tokens).where(valid))}


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(row.id, row.principal, row.comment, row.created_at, row.expires_at)
