"""Who may call: principals, tokens, and how a token is recognised without being kept.

A token's value is never stored.  What is kept is its digest under a key of this installation: a stolen database alone
cannot be searched for tokens, and comparing digests tells nothing about the token by timing.
This module must not know where tokens are stored or how they arrive.
"""

from __future__ import annotations

import hashlib

import msgspec

ADMIN = "admin"
"""The name of the principal that the first token belongs to."""


class Principal(msgspec.Struct, frozen=True):
    """Who a call is made by.  `admin`: may change tokens and endpoints."""

    name: str
    admin: bool


class Token(msgspec.Struct, frozen=True):
    """What may be told of a token.  Times are Unix milliseconds; `expires_at` None: never."""

    id: str
    principal: str
    comment: str
    created_at: int
    expires_at: int | None = None

    def valid_at(self, now_ms: int) -> bool:
        """Whether the token is accepted at a time."""
        return self.expires_at is None or now_ms < self.expires_at


def principal_named(name: str) -> Principal:
    """The principal of that name."""
    return Principal(name, admin=name == ADMIN)


def digest(key: bytes, token: str | bytes) -> bytes:
    """What stands for a token: BLAKE2b, 32 bytes, keyed with up to 64 bytes."""
    value = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token
    return hashlib.blake2b(value, digest_size=32, key=key).digest()
