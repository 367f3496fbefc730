"""What can be done with tokens: make, list, revoke, and see to it at start that somebody can get in.

Owns values, ids and times.  Must not know the database, HTTP or JSON.  A value exists only in the answer to the call
that made it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from cloche.domain.access import ADMIN, Token, digest
from cloche.domain.errors import InvalidParameter, NotFound
from cloche.store.database import Store

CONFIGURED = "configured"
"""The id of the admin token that the operator sets: one at most, replaced when the setting changes."""

DEFAULT_LIFETIME = 730 * 24 * 3600
MAX_LIFETIME = 100 * 365 * 24 * 3600
MAX_COMMENT = 1024


class Tokens:
    """The use-cases.  `now_ms` is the clock; `publish` makes a change known to the calls that come after it."""

    def __init__(self, store: Store, publish: Callable[[], None], now_ms: Callable[[], int]) -> None:
        self._store = store
        self._publish = publish
        self._now_ms = now_ms

    def create(self, principal: str, comment: str = "", lifetime_seconds: int | None = None) -> tuple[str, Token]:
        """A new token's value and what may be told of it.  Without a lifetime it is valid for two years.

        Raises InvalidParameter.
        """
        lifetime = DEFAULT_LIFETIME if lifetime_seconds is None else lifetime_seconds
        if not 1 <= lifetime <= MAX_LIFETIME:
            raise InvalidParameter(f"lifetime_seconds: must be from 1 to {MAX_LIFETIME}, not {lifetime}")
        if len(comment) > MAX_COMMENT:
            raise InvalidParameter(f"comment: must have at most {MAX_COMMENT} characters, not {len(comment)}")
        made = self._make(principal, comment, lifetime)
        self._publish()
        return made

    def list(self) -> list[Token]:
        """Every token, the newest first."""
        return self._store.tokens.all()

    def revoke(self, token_id: str) -> None:
        """Refuse a token from now on.  Raises NotFound."""
        if not self._store.tokens.remove(token_id):
            raise NotFound(f"token_id: there is no token {token_id!r}")
        self._publish()

    def ensure_admin(self, configured: str | None) -> str | None:
        """See to it that an admin token is valid, before the first snapshot: nothing is published.

        `configured` takes the place of the one configured before; without it that one ends.  Returns the value of a
        token that had to be made, to be shown once, which happens at the first start and when all others are gone.
        """
        if configured is not None:
            token = Token(CONFIGURED, ADMIN, "from the settings", self._now_ms())
            self._store.tokens.add(token, digest(self._store.key, configured))
            return None
        self._store.tokens.remove(CONFIGURED)
        if any(token.principal == ADMIN for token in self._store.tokens.active(self._now_ms()).values()):
            return None
        value, _ = self._make(ADMIN, "made at start", None)
        return value

    def _make(self, principal: str, comment: str, lifetime_seconds: int | None) -> tuple[str, Token]:
        value = "dapi" + secrets.token_hex(16)
        now = self._now_ms()
        expires = None if lifetime_seconds is None else now + lifetime_seconds * 1000
        token = Token(secrets.token_hex(16), principal, comment, now, expires)
        self._store.tokens.add(token, digest(self._store.key, value))
        return value, token
