"""What can be done with tokens: make, list, revoke, and see to it at start that somebody can get in.

Owns values, ids and times.  Must not know the database, HTTP or JSON.  A value exists only in the answer to the call
that made it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from cloche.control.auditing import note
from cloche.control.publish import Publisher
from cloche.domain.access import ADMIN_ID, ADMINS_ID, Caller, Principal, Token, digest
from cloche.domain.errors import InvalidParameter, NotFound, QuotaExceeded
from cloche.store.work import Work

CONFIGURED = "configured"
"""The id of the admin token that the operator sets: one at most, replaced when the setting changes."""

DEFAULT_LIFETIME = 730 * 24 * 3600
MAX_LIFETIME = 100 * 365 * 24 * 3600
MAX_COMMENT = 1024
MAX_TOKENS = 600
"""Of one principal, as on Databricks."""


class Tokens:
    """The use-cases.  `now_ms` is the clock."""

    def __init__(self, publisher: Publisher, now_ms: Callable[[], int]) -> None:
        self._publisher = publisher
        self._now_ms = now_ms

    def create(self, caller: Caller, comment: str = "", lifetime_seconds: int | None = None) -> tuple[str, Token]:
        """A new token of the caller: its value, and what may be told of it.  Without a lifetime it is valid for two years.

        Raises InvalidParameter, QuotaExceeded.
        """
        lifetime = DEFAULT_LIFETIME if lifetime_seconds is None else lifetime_seconds
        if not 1 <= lifetime <= MAX_LIFETIME:
            raise InvalidParameter(f"lifetime_seconds: must be from 1 to {MAX_LIFETIME}, not {lifetime}")
        if len(comment) > MAX_COMMENT:
            raise InvalidParameter(f"comment: must have at most {MAX_COMMENT} characters, not {len(comment)}")
        with self._publisher.change() as work:
            work.tokens.remove_expired(self._now_ms())
            if work.tokens.count(caller.principal.id) >= MAX_TOKENS:
                raise QuotaExceeded(f"'{caller.principal.name}' has {MAX_TOKENS} tokens already: delete one first")
            value, token = self._make(work, caller.principal.id, comment, lifetime)
            note(work, caller, "token.create", token.id, self._now_ms(), after=token)
        return value, token

    def list(self, principal: Principal) -> list[Token]:
        """A principal's tokens, the newest first."""
        with self._publisher.store.read() as work:
            return work.tokens.all(principal.id)

    def revoke(self, caller: Caller, token_id: str) -> None:
        """Refuse a token from now on: one's own, or as an administrator anybody's.  Raises NotFound."""
        with self._publisher.change() as work:
            token = work.tokens.get(token_id)
            if token is None or (token.principal != caller.principal.id and not caller.principal.admin):
                raise NotFound(f"token_id: there is no token {token_id!r}")
            work.tokens.remove(token_id)
            note(work, caller, "token.delete", token_id, self._now_ms(), before=token)

    def ensure_admin(self, configured: str | None) -> str | None:
        """See to it that an admin token is valid.

        `configured` takes the place of the one configured before; without it that one ends.  Returns the value of a
        token that had to be made, to be shown once, which happens at the first start and when all others are gone.
        """
        key = self._publisher.store.key
        with self._publisher.change() as work:
            if configured is not None:
                token = Token(CONFIGURED, ADMIN_ID, "from the settings", self._now_ms())
                work.tokens.add(token, digest(key, configured))
                return None
            work.tokens.remove(CONFIGURED)
            admins = work.groups.get(ADMINS_ID)
            members = frozenset() if admins is None else admins.members
            if any(token.principal in members and token.valid_at(self._now_ms()) for token in work.tokens.all()):
                return None
            return self._make(work, ADMIN_ID, "made at start", None)[0]

    def _make(self, work: Work, principal: str, comment: str, lifetime_seconds: int | None) -> tuple[str, Token]:
        value = "dapi" + secrets.token_hex(16)
        now = self._now_ms()
        expires = None if lifetime_seconds is None else now + lifetime_seconds * 1000
        token = Token(secrets.token_hex(16), principal, comment, now, expires)
        work.tokens.add(token, digest(self._publisher.store.key, value))
        return value, token
