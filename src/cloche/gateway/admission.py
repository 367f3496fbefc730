"""Who are you, and may you: from the credentials as sent to a principal, and from there to an endpoint.

Two forms are accepted everywhere: `Bearer TOKEN`, `Basic base64("token:" + TOKEN)`, and no other.  A kept token is
looked up by its keyed digest, so nothing is compared byte by byte with a secret and timing tells nothing; what is not
kept may be a signed access token.  About 1.3 µs for a kept one.
"""

from __future__ import annotations

import base64
import binascii
import time

from cloche.domain import access
from cloche.domain.access import Level, Principal, level_of
from cloche.domain.endpoint import Endpoint
from cloche.domain.errors import PermissionDenied, Unauthenticated
from cloche.gateway.access_tokens import AccessTokens
from cloche.snapshot import CompiledEndpoint, Grant, Snapshot

_HOW = "send 'Authorization: Bearer TOKEN', or Basic credentials with the user name 'token'"
_UNKNOWN = "the token is not valid: it was never made here, or it was revoked"


class Admission:
    """Recognises tokens.  `key`: of the token digests.

    `used`: when each kept token was last seen, by its id, in Unix milliseconds; whoever writes that down takes it away.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._access_tokens = AccessTokens()
        self.used: dict[str, int] = {}

    def authenticate(self, authorization: bytes | None, snapshot: Snapshot) -> Grant:
        """What the Authorization header stands for.  Unauthenticated otherwise."""
        if authorization is None:
            raise Unauthenticated(f"no token was sent: {_HOW}")
        token = _token(authorization)
        digest = access.digest(self._key, token)
        now = int(time.time() * 1000)
        grant = snapshot.tokens.get(digest)
        if grant is None:
            grant = self._access_tokens.grant(token, digest, now, snapshot)
            if grant is None:
                raise Unauthenticated(_UNKNOWN)
        elif grant.token_id is not None:
            self.used[grant.token_id] = now
        if grant.expires_at is not None and now >= grant.expires_at:
            raise Unauthenticated("the token has expired")
        return grant


def check_level(grant: Grant, compiled: CompiledEndpoint, needed: Level) -> None:
    """PermissionDenied unless the owner of the token has that level on the endpoint."""
    endpoint = compiled.endpoint
    if grant.endpoint_id is not None and (grant.endpoint_id != endpoint.id or needed is not Level.CAN_QUERY):
        raise PermissionDenied("this token is good for queries of one endpoint only")
    level = level_of(grant.principal, compiled.levels)
    if level is None or level < needed:
        raise PermissionDenied(
            f"'{grant.principal.name}' lacks {needed.name} on the serving endpoint '{endpoint.name}'; "
            "whoever has CAN_MANAGE on it can give it"
        )


def visible(principal: Principal, snapshot: Snapshot) -> list[Endpoint]:
    """The endpoints that a principal may see: those on which it has any level."""
    return [
        compiled.endpoint
        for compiled in snapshot.endpoints.values()
        if level_of(principal, compiled.levels) is not None
    ]


def _token(authorization: bytes) -> bytes:
    scheme, _, value = authorization.partition(b" ")
    scheme = scheme.lower()
    if scheme == b"bearer":
        return value.strip()
    if scheme == b"basic":
        try:
            user, colon, token = base64.b64decode(value.strip(), validate=True).partition(b":")
        except (binascii.Error, ValueError):
            raise Unauthenticated("the Basic credentials are not valid base64") from None
        if not colon or user != b"token":
            raise Unauthenticated("the user name of Basic credentials must be 'token'; the password is the token")
        return token
    raise Unauthenticated(f"this kind of Authorization is not supported: {_HOW}")
