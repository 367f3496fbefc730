"""Signed access tokens: JWTs (ES256) that this installation gave to a service principal for an hour.

Only the signature is checked once for each token (about 100 µs) and remembered; whether its owner, its client secret
and its key are still good is asked of the snapshot at every call, so that revoking any of them ends the token at
once. Must not know how tokens are made: that is control/oauth.py's, with which it shares the names of the claims.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cloche.domain.access import ACCESS_TOKEN_ALGORITHM, ACCESS_TOKEN_AUDIENCE
from cloche.domain.errors import Unauthenticated
from cloche.snapshot import Grant, Snapshot

_MAX_REMEMBERED = 4096
_MAX_BYTES = 8192


class _Checked(msgspec.Struct, frozen=True):
    """A token whose signature is good.  `expires_at`: Unix milliseconds."""

    key_id: str
    principal: str
    client_secret: str | None
    endpoint: str | None
    expires_at: int


class AccessTokens:
    """Remembers the tokens it has checked, by digest, the least recently made first to go."""

    def __init__(self) -> None:
        self._checked: dict[bytes, _Checked] = {}

    def grant(self, token: bytes, digest: bytes, now_ms: int, snapshot: Snapshot) -> Grant | None:
        """What an access token stands for; None if it is none of ours.  Unauthenticated if it has ended."""
        if token.count(b".") != 2 or len(token) > _MAX_BYTES:
            return None
        checked = self._checked.get(digest)
        if checked is None:
            checked = _check(token, snapshot)
            if checked is None:
                return None
            if len(self._checked) >= _MAX_REMEMBERED:
                self._checked.pop(next(iter(self._checked)), None)  # other threads do so too
            self._checked[digest] = checked
        principal = snapshot.principals.get(checked.principal)
        if principal is None or checked.key_id not in snapshot.signing_keys:
            return None
        if checked.client_secret is not None:
            ends = snapshot.client_secrets.get(checked.client_secret, 0)
            if ends is not None and now_ms >= ends:
                raise Unauthenticated("the client secret that this access token was given for is not valid any more")
        return Grant(principal, checked.expires_at, endpoint_id=checked.endpoint, client_secret=checked.client_secret)


def _check(token: bytes, snapshot: Snapshot) -> _Checked | None:
    import jwt  # late: 40 ms and 6 MB that a server of kept tokens never pays

    try:
        key_id = str(jwt.get_unverified_header(token).get("kid"))
        jwk = snapshot.signing_keys.get(key_id)
        if jwk is None:
            return None
        claims: dict[str, Any] = jwt.decode(
            token,
            jwt.PyJWK.from_json(jwk.decode()).key,
            algorithms=[ACCESS_TOKEN_ALGORITHM],
            audience=ACCESS_TOKEN_AUDIENCE,
            options={"require": ["exp", "pid"], "verify_exp": False},  # the end is checked at every call
        )
        return _Checked(key_id, claims["pid"], claims.get("csid"), claims.get("endpoint"), int(claims["exp"]) * 1000)
    except (jwt.PyJWTError, ValueError, UnicodeDecodeError):
        return None
