"""The master key: from a file that is made at the first start, with which everything secret in the database is sealed.

Several keys may stand in it, one a line, the newest first: `store/sealing.py` seals with the first and opens with any.
Must not know what is sealed.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path

from cloche.store.sealing import KEY_SIZE

FILE = "master.key"
LEGACY_FILE = "token.key"
"""Where version 0.1 kept the key of token digests, before it was sealed into the database."""


class UnusableKey(Exception):
    """The master key cannot be used; the message says why and what to do, and shows nothing of it."""


def read_keys(text: str, source: str) -> tuple[bytes, ...]:
    """The master keys in a text: base64 of 32 bytes each, separated by spaces, commas or lines.  Raises UnusableKey."""
    keys = []
    for word in text.replace(",", " ").split():
        try:
            key = base64.b64decode(word, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_SIZE:
            raise UnusableKey(f"{source} does not hold a master key: base64 of {KEY_SIZE} bytes")
        keys.append(key)
    if not keys:
        raise UnusableKey(f"{source} is empty: it must hold a master key, base64 of {KEY_SIZE} bytes")
    return tuple(keys)


def key_file(path: Path) -> tuple[bytes, ...]:
    """The master keys in a file, which is made with one at the first call.  Raises UnusableKey, OSError."""
    try:
        return _read(path)
    except FileNotFoundError:
        _make(path)
        return _read(path)


def legacy_token_key(home: Path) -> bytes | None:
    """The key of token digests of version 0.1, if this home has one."""
    try:
        value = (home / LEGACY_FILE).read_bytes()
    except FileNotFoundError:
        return None
    return value if len(value) == KEY_SIZE else None


def _read(path: Path) -> tuple[bytes, ...]:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UnusableKey(f"others may read {path}; run: chmod 600 {path}")
        text = file.read(64 * 1024).decode("ascii", "replace")
    return read_keys(text, str(path))


def _make(path: Path) -> None:
    """Write a new key aside and link it into place: readers see a whole key, and the first of two makers wins."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_SIZE)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)
