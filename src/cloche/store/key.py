"""The files and texts that hold the master key, with which everything secret in the database is sealed.

Several keys may stand in one, a line each, the newest first: `sealing.py` seals with the first and opens with any.
Must not know what is sealed, nor which file it is.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

from cloche.domain.errors import OurFault
from cloche.store.sealing import KEY_SIZE

FILE = "master.key"
LEGACY_FILE = "token.key"
"""Where version 0.1 kept the key of token digests, before it was sealed into the database."""


class UnusableKey(OurFault):
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
    """The master keys in a file, which is made with one at the first call.  Raises UnusableKey."""
    try:
        try:
            return _read(path)
        except FileNotFoundError:
            _make(path)
            return _read(path)
    except OSError as error:
        raise UnusableKey(f"cannot use {path} for the master key: {error.strerror}") from error


def existing_keys(path: Path) -> tuple[bytes, ...]:
    """The master keys in a file that must be there.  Raises UnusableKey."""
    try:
        return _read(path)
    except OSError as error:
        raise UnusableKey(f"cannot read the master key in {path}: {error.strerror}") from error


def put_new_key_in_front(path: Path) -> None:
    """Let a file begin with a key that was never used; those that are there stay.  Raises UnusableKey."""
    _replace(path, (secrets.token_bytes(KEY_SIZE), *existing_keys(path)))


def keep_newest_key(path: Path) -> None:
    """Leave only the first key in a file.  What the others have wrapped is lost.  Raises UnusableKey."""
    _replace(path, existing_keys(path)[:1])


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
    draft = _draft(path, (secrets.token_bytes(KEY_SIZE),))
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)


def _replace(path: Path, keys: Sequence[bytes]) -> None:
    """Write keys aside and move them into place: whoever reads sees the old ones or the new ones."""
    try:
        draft = _draft(path, keys)
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise UnusableKey(f"cannot write the master key to {path}: {error.strerror}") from error


def _draft(path: Path, keys: Sequence[bytes]) -> Path:
    """A file beside `path` with these keys, for its owner alone, on the disk for good."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(base64.b64encode(key) + b"\n" for key in keys)
        file.flush()
        os.fsync(file.fileno())
    return draft
