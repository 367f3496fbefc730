"""Everything that is in force, as plain rows: what the store hands to control in one reading, and what the signed
snapshot file holds for the time when there is no store.

Frozen values only, so that a state can be compared, kept and sent.  It bears no plaintext: secrets are sealed, tokens
are digests.  Must not know how it was read or what is compiled from it.
"""

from __future__ import annotations

import msgspec

from cloche.domain.access import ClientSecret, Group, Identity, Permission, Token
from cloche.domain.budget import Budget
from cloche.domain.endpoint import Endpoint


class SigningKey(msgspec.Struct, frozen=True):
    """A key that signs access tokens (ES256).  `public_jwk`: as JSON; `sealed`: the private key in PEM form, sealed.

    Times are Unix milliseconds; `retired_at`: from then on it signs no more, and what it signed is accepted to its end.
    """

    id: str
    public_jwk: bytes
    sealed: bytes
    created_at: int
    retired_at: int | None = None


class State(msgspec.Struct, frozen=True):
    """One consistent reading.  `revision` grows with every change.  `secrets`: sealed values by (scope, key), those
    that
    a configuration refers to."""

    revision: int
    identities: tuple[Identity, ...] = ()
    groups: tuple[Group, ...] = ()
    tokens: tuple[tuple[bytes, Token], ...] = ()
    client_secrets: tuple[ClientSecret, ...] = ()
    signing_keys: tuple[SigningKey, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    permissions: tuple[Permission, ...] = ()
    secrets: tuple[tuple[str, str, bytes], ...] = ()
    budgets: tuple[Budget, ...] = ()

    def local_models(self) -> dict[str, list[str]]:
        """The local models that endpoints name, served or to be served, each with the names of those endpoints."""
        found: dict[str, list[str]] = {}
        for each in self.endpoints:
            versions = [version for version in (each.active, each.pending) if version is not None]
            for model in {model for version in versions for model in version.configuration.local_models}:
                found.setdefault(model, []).append(each.name)
        return found

    def naming(self, model: str) -> list[str]:
        """The names of the endpoints that name a local model."""
        return sorted(self.local_models().get(model, ()))
