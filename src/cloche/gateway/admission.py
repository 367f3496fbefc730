"""Who are you, and may you: from the credentials as sent to a principal.

Two forms are accepted everywhere: `Bearer TOKEN`, `Basic base64("token:" + TOKEN)`, and no other.  A token is
looked up by its keyed digest, so nothing is compared byte by byte with a secret and timing tells nothing.  About 1.2
µs.
"""

from __future__ import annotations

import base64
import binascii
import time

from cloche.domain import access
from cloche.domain.access import Principal
from cloche.domain.errors import Unauthenticated
from cloche.snapshot import Snapshot

_HOW = "send 'Authorization: Bearer TOKEN', or Basic credentials with the user name 'token'"


def authenticate(authorization: bytes | None, key: bytes, snapshot: Snapshot) -> Principal:
    """The principal whom the Authorization header stands for.  Unauthenticated otherwise."""
    if authorization is None:
        raise Unauthenticated(f"no token was sent: {_HOW}")
    grant = snapshot.tokens.get(access.digest(key, _token(authorization)))
    if grant is None:
        raise Unauthenticated("the token is not valid: it was never made here, or it was revoked")
    if grant.expires_at is not None and time.time() * 1000 >= grant.expires_at:
        raise Unauthenticated("the token has expired")
    return grant.principal


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
