"""The last state, kept in a file for the time when the database does not answer, also over a restart.

It bears no plaintext: secrets in it are sealed, tokens are digests, and the key of these digests is sealed too.
Whoever could write it could let themselves in, so it is authenticated under a key that comes from the master key; and
it is good for a bounded time, because what was revoked meanwhile is not known to it.  Layout, in bytes:

    8 format | 8 id of the master key | 32 keyed BLAKE2b of the other parts | content (msgpack)
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import msgspec

from cloche.domain.state import State
from cloche.store.sealing import Sealer
from cloche.store.whole_file import write_whole

FILE = "published.snapshot"

_FORMAT = b"cloche-1"
_ID_SIZE = 8
_MAC_SIZE = 32
_HEAD = len(_FORMAT) + _ID_SIZE
_PURPOSE = b"snapshot"


class NotUsable(Exception):
    """The file is not there or not to be trusted; the message says why."""


class Kept(msgspec.Struct, frozen=True):
    """What the file holds.  `token_key`: the key of token digests, sealed.  `at`: Unix milliseconds, when it was the
    newest."""

    state: State
    token_key: bytes
    at: int


def write(path: Path, kept: Kept, sealer: Sealer) -> None:
    """Keep a state in place of the one before, which stays if this fails.  Raises OSError."""
    head = _FORMAT + sealer.current_id
    key = sealer.derived(_PURPOSE)[sealer.current_id]
    content = msgspec.msgpack.encode(kept)
    write_whole(path, head + _mac(key, head, content) + content)


def read(path: Path, sealer: Sealer, now_ms: int, max_age_seconds: float) -> Kept:
    """What was kept, under any of the master keys.  Raises NotUsable."""
    data = _bytes(path)
    head, mac, content = data[:_HEAD], data[_HEAD : _HEAD + _MAC_SIZE], data[_HEAD + _MAC_SIZE :]
    if head[: len(_FORMAT)] != _FORMAT:
        raise NotUsable(f"{path} is no snapshot, or one of another version of cloche")
    key = sealer.derived(_PURPOSE).get(head[len(_FORMAT) :])
    if key is None:
        raise NotUsable(f"{path} was written under another master key")
    if not hmac.compare_digest(mac, _mac(key, head, content)):
        raise NotUsable(f"{path} was changed or cut")
    try:
        kept = msgspec.msgpack.decode(content, type=Kept)
    except msgspec.DecodeError as error:
        raise NotUsable(f"{path} was written by another version of cloche: {error}") from error
    age = (now_ms - kept.at) / 1000
    if age > max_age_seconds:
        raise NotUsable(f"{path} is too old: {age:.0f} s, and {max_age_seconds:.0f} s is the most")
    return kept


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read()
    except FileNotFoundError:
        raise NotUsable(f"there is no {path}") from None
    except OSError as error:
        raise NotUsable(f"{path} cannot be read: {error.strerror}") from error


def _mac(key: bytes, head: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(head + content, key=key, digest_size=_MAC_SIZE).digest()
