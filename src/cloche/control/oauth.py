"""Access tokens for service principals, and the client secrets they get them with; access tokens for users.

A token is signed, lasts an hour and is kept nowhere; it ends early with its owner, its client secret or its key,
because the snapshot is asked at every call.  A secret's value exists only in the answer to the call that made it, and
is found again by its keyed digest, so that guessing learns nothing from timing.
Must not know HTTP.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from cloche.control.auditing import note
from cloche.control.publish import Publisher
from cloche.control.signing_keys import LIFETIME_SECONDS, SigningKeys
from cloche.domain.access import ACCESS_TOKEN_AUDIENCE, Caller, ClientSecret, Identity, Kind, digest
from cloche.domain.errors import InvalidFields, NotFound, QuotaExceeded
from cloche.snapshot import Grant
from cloche.store.work import Work
from cloche.wire.oauth import SCOPE, AccessToken, Refused

DEFAULT_SECRET_LIFETIME = 730 * 24 * 3600
MAX_SECRETS = 5
"""Of one service principal, as on Databricks."""


class OAuth:
    """The use-cases.  `now_ms` is the clock."""

    def __init__(self, publisher: Publisher, now_ms: Callable[[], int]) -> None:
        self._publisher = publisher
        self._now_ms = now_ms
        self.keys = SigningKeys(publisher, now_ms)

    # ---------------------------------------------------------------- access tokens

    def for_client(self, client_id: str, secret: str, issuer: str, endpoint_id: str | None) -> AccessToken:
        """A token for who knows a service principal's secret; for queries of one endpoint only, if one is given.

        Raises Refused.
        """
        value = digest(self._publisher.store.key, secret)
        with self._publisher.store.read() as work:
            found = work.client_secrets.with_digest(value)
            owner = None if found is None else work.identities.get(found.principal)
        good = found is not None and (found.expires_at is None or self._now_ms() < found.expires_at)
        if not good or found is None or owner is None or not owner.active or owner.name != client_id:
            raise Refused(
                "invalid_client", "the client_id is not known, or the client_secret is not (or no longer) its"
            )
        claims = {"sub": owner.name, "pid": owner.id, "csid": found.id}
        return self._signed(claims, issuer, endpoint_id)

    def for_user(self, user: Identity, issuer: str) -> AccessToken:
        """A token for a user who has shown who they are; whether they may sign in is the caller's to know."""
        return self._signed({"sub": user.name, "pid": user.id}, issuer, None)

    def for_endpoint(self, grant: Grant, issuer: str, endpoint_id: str) -> AccessToken:
        """A token for queries of one endpoint, for who has an access token for everything.  Raises Refused."""
        if grant.token_id is not None:
            raise Refused(
                "invalid_grant", "the assertion is a personal access token: use it as it is, or log in with OAuth"
            )
        if grant.endpoint_id is not None:
            raise Refused("invalid_grant", "the assertion is a token for one endpoint, which cannot be exchanged again")
        claims = {"sub": grant.principal.name, "pid": grant.principal.id}
        if grant.client_secret is not None:
            claims["csid"] = grant.client_secret
        return self._signed(claims, issuer, endpoint_id)

    def _signed(self, claims: dict[str, Any], issuer: str, endpoint_id: str | None) -> AccessToken:
        if endpoint_id is not None:
            if self._publisher.current().with_id(endpoint_id) is None:
                raise Refused("invalid_request", f"there is no serving endpoint with the id '{endpoint_id[:64]}'")
            claims["endpoint"] = endpoint_id
        now = self._now_ms() // 1000
        claims |= {"iss": issuer, "aud": ACCESS_TOKEN_AUDIENCE, "scope": SCOPE}
        claims |= {"iat": now, "exp": now + LIFETIME_SECONDS}
        return AccessToken(self.keys.sign(claims), LIFETIME_SECONDS)

    # ---------------------------------------------------------------- client secrets

    def add_secret(self, caller: Caller, principal_id: str, lifetime_seconds: int | None) -> tuple[str, ClientSecret]:
        """A new secret: its value, and what may be told of it.  NotFound, InvalidFields, QuotaExceeded."""
        lifetime = DEFAULT_SECRET_LIFETIME if lifetime_seconds is None else lifetime_seconds
        if not 1 <= lifetime <= DEFAULT_SECRET_LIFETIME:
            raise InvalidFields([("lifetime", f"must be from 1s to {DEFAULT_SECRET_LIFETIME}s")])
        now = self._now_ms()
        with self._publisher.change() as work:
            owner = _service_principal(work, principal_id)
            self._forget_expired(work, principal_id)
            if len(work.client_secrets.all(principal_id)) >= MAX_SECRETS:
                raise QuotaExceeded(f"'{owner.name}' has {MAX_SECRETS} secrets already: delete one first")
            value = "dose" + secrets.token_hex(16)
            secret = ClientSecret(secrets.token_hex(16), principal_id, now, now + lifetime * 1000)
            work.client_secrets.add(secret, digest(self._publisher.store.key, value))
            note(work, caller, "client_secret.create", secret.id, now, after=secret)
        return value, secret

    def list_secrets(self, principal_id: str) -> tuple[list[ClientSecret], int]:
        """A service principal's secrets, the oldest first, and the time, which some may outlive.  NotFound."""
        with self._publisher.store.read() as work:
            _service_principal(work, principal_id)
            return work.client_secrets.all(principal_id), self._now_ms()

    def remove_secret(self, caller: Caller, principal_id: str, secret_id: str) -> None:
        """Forget a secret; what was given for it ends at once.  NotFound."""
        with self._publisher.change() as work:
            _service_principal(work, principal_id)
            if not work.client_secrets.remove(principal_id, secret_id):
                raise NotFound(f"secret_id: there is no secret '{secret_id}' of this service principal")
            note(work, caller, "client_secret.delete", secret_id, self._now_ms())

    def _forget_expired(self, work: Work, principal_id: str) -> None:
        for secret in work.client_secrets.all(principal_id):
            if secret.expires_at is not None and secret.expires_at <= self._now_ms():
                work.client_secrets.remove(principal_id, secret.id)


def _service_principal(work: Work, principal_id: str) -> Identity:
    found = work.identities.get(principal_id)
    if found is None or found.kind is not Kind.SERVICE_PRINCIPAL:
        raise NotFound(f"id: there is no service principal with the id '{principal_id}'")
    return found
