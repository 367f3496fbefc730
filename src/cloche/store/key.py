"""The key of token digests: 32 random bytes in a file of their own, so that a copy of the database is no use alone.

Must not know what is hashed with it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from pathlib import Path

import msgspec

FILE = "token.key"
SIZE = 32


class TokenKey(msgspec.Struct, frozen=True):
    """The key and the file it came from; `repr` does not show it."""

    value: bytes
    path: Path

    def __repr__(self) -> str:
        return f"TokenKey({self.path})"

    def fingerprint(self) -> str:
        """16 hex digits that name the key without giving it away."""
        return hashlib.blake2b(b"fingerprint", key=self.value, digest_size=8).hexdigest()


def token_key(home: Path) -> TokenKey:
    """The key of a home, made at the first call.  Raises OSError, also where others may read it or it is cut."""
    path = home / FILE
    try:
        return _read(path)
    except FileNotFoundError:
        _make(path)
        return _read(path)


def _read(path: Path) -> TokenKey:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise PermissionError(f"others may read {path}; run: chmod 600 {path}")
        value = file.read(SIZE + 1)
    if len(value) != SIZE:
        raise OSError(f"{path} does not hold a key of {SIZE} bytes; restore it from a copy")
    return TokenKey(value, path)


def _make(path: Path) -> None:
    """Write a new key aside and link it into place: readers see a whole key, and the first of two makers wins."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SIZE))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)
