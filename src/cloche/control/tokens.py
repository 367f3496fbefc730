"""What can be done with tokens: make, list, revoke, and see to it at start that somebody can get in.

Owns values, ids and times.  Must not know the database, HTTP or JSON.  A value exists only in the answer to the call
that made it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence

from cloche.control.auditing import note
from cloche.control.directory import Directory
from cloche.control.publish import Publisher
from cloche.domain.access import ADMIN_ID, Caller, Kind, Principal, Token, digest
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
        """A new token of the caller: its value, and what may be told of it.  Without a lifetime it is valid for two
        years.

        Raises InvalidParameter, QuotaExceeded.
        """
        return self._create(caller, comment, lifetime_seconds, lambda work: caller.principal.id)

    def create_for(
        self, caller: Caller, application_id: str, comment: str = "", lifetime_seconds: int | None = None
    ) -> tuple[str, Token]:
        """A new token of a service principal.  Raises as `create`, and NotFound."""

        def owner(work: Work) -> str:
            found = work.identities.named(application_id)
            if found is None or found.kind is not Kind.SERVICE_PRINCIPAL:
                raise NotFound(f"application_id: there is no service principal '{application_id}'")
            return found.id

        return self._create(caller, comment, lifetime_seconds, owner)

    def _create(
        self, caller: Caller, comment: str, lifetime_seconds: int | None, owner_in: Callable[[Work], str]
    ) -> tuple[str, Token]:
        lifetime = DEFAULT_LIFETIME if lifetime_seconds is None else lifetime_seconds
        if not 1 <= lifetime <= MAX_LIFETIME:
            raise InvalidParameter(f"lifetime_seconds: must be from 1 to {MAX_LIFETIME}, not {lifetime}")
        if len(comment) > MAX_COMMENT:
            raise InvalidParameter(f"comment: must have at most {MAX_COMMENT} characters, not {len(comment)}")
        with self._publisher.change() as work:
            work.tokens.remove_expired(self._now_ms())
            owner = owner_in(work)
            if work.tokens.count(owner) >= MAX_TOKENS:
                raise QuotaExceeded(f"there are {MAX_TOKENS} tokens of this owner already: delete one first")
            value, token = self._make(work, owner, comment, lifetime)
            note(work, caller, "token.create", token.id, self._now_ms(), after=token)
        return value, token

    def list(self, principal: Principal) -> list[Token]:
        """A principal's tokens, the newest first."""
        with self._publisher.store.read() as work:
            return work.tokens.all(principal.id)

    def everybodys(self) -> Sequence[Token]:
        """Everybody's tokens, the newest first."""
        with self._publisher.store.read() as work:
            return work.tokens.all()

    def get(self, token_id: str) -> Token:
        """Anybody's token.  NotFound."""
        with self._publisher.store.read() as work:
            found = work.tokens.get(token_id)
        if found is None:
            raise NotFound(f"token_id: there is no token {token_id!r}")
        return found

    def note_used(self, times: Mapping[str, int]) -> None:
        """Keep when tokens, by id, were last used.  Told to no other process: no call depends on it."""
        if times:
            with self._publisher.store.write(publish=False) as work:
                work.tokens.used(times)

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
            admins = [each.id for each in Directory.of(work).admins()]
            # The user that this installation began with, unless it is no administrator any more.
            owner = ADMIN_ID if ADMIN_ID in admins else admins[0]
            if configured is not None:
                token = Token(CONFIGURED, owner, "from the settings", self._now_ms())
                work.tokens.add(token, digest(key, configured))
                return None
            work.tokens.remove(CONFIGURED)
            if any(token.principal in admins and token.valid_at(self._now_ms()) for token in work.tokens.all()):
                return None
            return self._make(work, owner, "made at start", None)[0]

    def _make(self, work: Work, principal: str, comment: str, lifetime_seconds: int | None) -> tuple[str, Token]:
        value = "dapi" + secrets.token_hex(16)
        now = self._now_ms()
        expires = None if lifetime_seconds is None else now + lifetime_seconds * 1000
        token = Token(secrets.token_hex(16), principal, comment, now, expires)
        work.tokens.add(token, digest(self._publisher.store.key, value))
        return value, token
