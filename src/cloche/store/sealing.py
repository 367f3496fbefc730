"""Sealing: values that are kept encrypted, each under a data key of its own, which the master key wraps.

AES-256-GCM throughout.  A sealed value is bound to its place ("secret SCOPE/KEY"): moved elsewhere it cannot be opened.
Several master keys may be known, the first one seals; keys that come from a file are read again while the server runs,
so that they can be rotated meanwhile.  Layout, in bytes:

    1 format | 8 id of the master key | 12 nonce | 48 wrapped data key | 12 nonce | value and tag

Must not know where master keys come from or what is sealed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cloche.domain.errors import OurFault

KEY_SIZE = 32

_FORMAT = b"\x01"
_ID_SIZE = 8
_NONCE_SIZE = 12
_WRAPPED_SIZE = KEY_SIZE + 16
_HEAD = 1 + _ID_SIZE


class CannotOpen(OurFault):
    """A sealed value cannot be opened: the master key is another, or the value was changed or moved."""


class _Keys(NamedTuple):
    """What is known of the master keys at one time."""

    by_id: dict[bytes, bytes]
    first: bytes


class Sealer:
    """Seals with the first of the master keys and opens with any of them."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = _known(keys)
        self._reread: Callable[[], Sequence[bytes]] | None = None
        self._in_use: Callable[[], bytes] | None = None

    def follow(self, reread: Callable[[], Sequence[bytes]], in_use: Callable[[], bytes]) -> None:
        """From now on ask `reread` for the keys before a value is sealed, and when one names an unknown key.

        Before each sealing, because a value under a key that was replaced meanwhile could be lost with that key.
        `in_use`: the id of the key that the database is sealed with, asked for when all keys are other ones.
        """
        self._reread, self._in_use = reread, in_use

    def refresh(self) -> None:
        """Know the keys that there are now.  CannotOpen if they are somebody else's, and what their sources raise."""
        if self._reread is None or self._in_use is None:
            return
        found = _known(self._reread())
        if found.by_id.keys().isdisjoint(self._keys.by_id) and self._in_use() not in found.by_id:
            raise CannotOpen(
                "the master key was replaced by one that nothing here is sealed with: put the one before back, and a "
                "new one only in front of it"
            )
        self._keys = found

    @property
    def current_id(self) -> bytes:
        """The id of the key that seals."""
        return key_id(self._keys.first)

    def derived(self, purpose: bytes) -> dict[bytes, bytes]:
        """A key of 32 bytes for one purpose from each master key, by that one's id."""
        return {each: derived(key, purpose) for each, key in self._keys.by_id.items()}

    def seal(self, value: bytes, place: str) -> bytes:
        """The value as it may be kept at `place`.  Raises as `refresh`."""
        self.refresh()
        first, data_key, bound = self._keys.first, os.urandom(KEY_SIZE), place.encode()
        head = _FORMAT + key_id(first)
        return head + _encrypt(first, data_key, head + bound) + _encrypt(data_key, value, bound)

    def open(self, sealed: bytes, place: str) -> bytes:
        """The value that was sealed for `place`.  Raises CannotOpen."""
        from cryptography.exceptions import InvalidTag

        bound = place.encode()
        try:
            return _decrypt(self._data_key(sealed, bound), sealed[_HEAD + _NONCE_SIZE + _WRAPPED_SIZE :], bound)
        except (InvalidTag, ValueError):
            raise CannotOpen(f"{place}: the sealed value was changed, or was sealed for another place") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether the first master key has wrapped it."""
        return wrapped_with(sealed) == self.current_id

    def rewrap(self, sealed: bytes, place: str) -> bytes:
        """The same value under the first master key; the value itself is not encrypted anew.  Raises CannotOpen."""
        from cryptography.exceptions import InvalidTag

        bound, first = place.encode(), self._keys.first
        try:
            data_key = self._data_key(sealed, bound)
        except (InvalidTag, ValueError):
            raise CannotOpen(f"{place}: the sealed value was changed, or was sealed for another place") from None
        head = _FORMAT + key_id(first)
        return head + _encrypt(first, data_key, head + bound) + sealed[_HEAD + _NONCE_SIZE + _WRAPPED_SIZE :]

    def _data_key(self, sealed: bytes, bound: bytes) -> bytes:
        head = sealed[:_HEAD]
        if head[1:] not in self._keys.by_id:
            self.refresh()
        master = self._keys.by_id.get(head[1:])
        if head[:1] != _FORMAT or master is None:
            raise CannotOpen(
                "the master key is not the one that this value was sealed with: give cloche that key, as it was before"
            )
        return _decrypt(master, sealed[_HEAD : _HEAD + _NONCE_SIZE + _WRAPPED_SIZE], head + bound)


def _known(keys: Sequence[bytes]) -> _Keys:
    return _Keys({key_id(key): key for key in keys}, keys[0])


def wrapped_with(sealed: bytes) -> bytes:
    """The id of the master key that has wrapped a sealed value."""
    return sealed[1:_HEAD]


def key_id(key: bytes) -> bytes:
    """8 bytes that name a master key without giving it away."""
    return hashlib.blake2b(b"id", key=key, digest_size=_ID_SIZE).digest()


def derived(key: bytes, purpose: bytes) -> bytes:
    """A key of 32 bytes for one purpose, from which the master key cannot be told."""
    return hashlib.blake2b(purpose, key=key, digest_size=KEY_SIZE).digest()


def _encrypt(key: bytes, value: bytes, bound: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # late: 30 ms that no other command pays

    nonce = os.urandom(_NONCE_SIZE)
    return nonce + AESGCM(key).encrypt(nonce, value, bound)


def _decrypt(key: bytes, data: bytes, bound: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key).decrypt(data[:_NONCE_SIZE], data[_NONCE_SIZE:], bound)
