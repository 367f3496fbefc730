"""Tokens of Google Cloud, lent to who has the JSON of a credential: which kinds there are, and service accounts.

A service account signs a statement of its own with its key and gets a token for it.  The other kind, which holds no
secret, is in google_workload.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cloche.domain.lending import Source, Steps
from cloche.providers.base import InvalidSettings
from cloche.providers.bearer import TokenServer, token_server
from cloche.providers.google_workload import SCOPE, SERVER_NAME, read_json, workload_identity

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

DEFAULT_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)

_LIFE = 3600
"""Seconds that a statement may be used for; Google takes no longer ones."""

_LEAST_BITS = 2048
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class ServiceAccount(msgspec.Struct, frozen=True):
    """A service account with its key.  `audience`: whom its statements are for; `private_key`: PEM."""

    server: TokenServer
    audience: str
    client_email: str
    private_key: str
    private_key_id: str

    def __repr__(self) -> str:
        """Without the key."""
        return f"ServiceAccount({self.client_email!r})"

    def obtain(self, now: float) -> Steps:
        """One call.  ProviderCredentials where the account or the key is not known there, or the clock is off."""
        found = yield self.server.ask({"grant_type": _GRANT, "assertion": self._statement(int(now))})
        return self.server.lent(found, now)

    def _statement(self, now: int) -> str:
        import jwt  # late: it and the cryptography behind it take 100 ms, and most servers need none

        claims = {"iss": self.client_email, "aud": self.audience, "scope": SCOPE, "iat": now, "exp": now + _LIFE}
        named = {"kid": self.private_key_id} if self.private_key_id else None
        return jwt.encode(claims, _rsa_key(self.private_key), "RS256", headers=named)


class _Kind(msgspec.Struct):
    type: str


class _ServiceAccountJson(msgspec.Struct):
    """What Google's console gives for a service account; what is not needed is left out."""

    client_email: str
    private_key: str
    private_key_id: str = ""
    token_uri: str = DEFAULT_TOKEN_URI


def google_source(text: str, path: str, server: TokenServer | None) -> Source:
    """What the JSON of a credential lends.  `server`: called instead of the token server that the JSON names.

    InvalidSettings, under `path`, for what is no such JSON; its words quote nothing of it.
    """
    kind = read_json(text, _Kind, path).type
    if kind == "service_account":
        return _service_account(read_json(text, _ServiceAccountJson, path), path, server)
    if kind == "external_account":
        return workload_identity(text, path, server)
    raise InvalidSettings(
        [(path, "must be the JSON of a service account or of a workload identity (external_account)")]
    )


def _service_account(given: _ServiceAccountJson, path: str, server: TokenServer | None) -> ServiceAccount:
    named = token_server(SERVER_NAME, given.token_uri, f"{path}.token_uri")
    try:
        bits = _rsa_key(given.private_key).key_size
    except (ValueError, TypeError):
        raise InvalidSettings([(f"{path}.private_key", "is no RSA key in PEM, or one with a password")]) from None
    if bits < _LEAST_BITS:
        raise InvalidSettings([(f"{path}.private_key", f"must have {_LEAST_BITS} bits or more, not {bits}")])
    return ServiceAccount(
        server=server or named,
        audience=given.token_uri,
        client_email=given.client_email,
        private_key=given.private_key,
        private_key_id=given.private_key_id,
    )


def _rsa_key(pem: str) -> RSAPrivateKey:
    """The key.  ValueError or TypeError for what is none, or is locked."""
    from cryptography.exceptions import UnsupportedAlgorithm  # late, as jwt above
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        # Its numbers are not proven, which takes 50 ms: a key with wrong ones is refused by who reads its signatures.
        key = load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm:
        raise ValueError("no RSA key") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("no RSA key")
    return key
