"""Answers that are kept in files of the home, so that all processes of this host find them.

A file's name is a digest of whose answer it is; it has a digest of what was asked and, once there is one, the answer
with a checksum.  Who gets the answer holds a lock on the file meanwhile.  The kernel frees it when its holder dies,
however it dies, and then whoever comes next finds no whole answer and gets it anew.  Who only looks, and keeps what it
got elsewhere, needs no lock until then: what is written in part is no answer.  130 µs for a claim and
keeping a small answer, 17 µs for an answer that is kept already, of calls that want that and of no others.
Must not know what a call is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

FOLDER = "idempotent"
KEPT_SECONDS: Final = 86_400
MOST_BYTES: Final = 1 << 20
"""Of one answer; a larger one is not kept."""

FOLDER_BYTES: Final = 1 << 30
"""Of all of them, as found by `sweep`, which then forgets the oldest."""

_HEAD = 33 + 11
"""Digest of what was asked, a space, when, and the end of the line."""

_SUM = 1 + 33
"""What the answer is, and the digest of it with the end of the line."""


class OtherRequest(Exception):
    """Under this name something else was asked."""


class Kept(NamedTuple):
    """An answer.  `streamed`: its events, else its body."""

    streamed: bool
    content: bytes


class Claim:
    """The right to get the answer, until one of these is called, once."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path

    def keep(self, answer: Kept) -> None:
        """This is it.  Raises OSError, and then nothing is kept."""
        told = (b"S" if answer.streamed else b"W") + _digest(answer.content) + b"\n" + answer.content
        try:
            written = os.pwrite(self._descriptor, told, _HEAD)
        except OSError:
            self.drop()
            raise
        if written != len(told):
            self.drop()
            return
        os.close(self._descriptor)

    def drop(self) -> None:
        """There is none: who comes next gets it anew."""
        try:
            self._path.unlink(missing_ok=True)
        finally:
            os.close(self._descriptor)


class KeptAnswers:
    """`folder`: where, made if it is not there.  `now`: Unix seconds.  `seconds`: how long each is kept."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time, seconds: int = KEPT_SECONDS) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self._now = now
        self._seconds = seconds

    def find(self, name: str, asked: bytes) -> Kept | None:
        """The answer to what was asked, if it is kept under this name.  Raises OSError."""
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            return self._read(descriptor, _digest(asked))
        except OtherRequest:
            return None
        finally:
            os.close(descriptor)

    def put(self, name: str, asked: bytes, answer: Kept) -> None:
        """Keep it in place of what is kept under this name, unless somebody is doing so.  Raises OSError."""
        try:
            claim = self._claim(name, asked, anew=True)
        except OtherRequest:
            return
        if isinstance(claim, Claim):
            claim.keep(answer)

    def claim(self, name: str, asked: bytes) -> Kept | Claim | None:
        """The answer to what was asked, or the right to get it; None: somebody is getting it.  Raises OtherRequest and
        OSError."""
        return self._claim(name, asked, anew=False)

    def _claim(self, name: str, asked: bytes, *, anew: bool) -> Kept | Claim | None:
        path = self._path(name)
        digest = _digest(asked)
        while True:
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:  # somebody has removed the folder
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(descriptor).st_nlink == 0:  # forgotten between the two
                    os.close(descriptor)
                    continue
                found = None if anew else self._read(descriptor, digest)
                if found is None:
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, b"%b %010d\n" % (digest, int(self._now())), 0)
                    return Claim(descriptor, path)
            except BlockingIOError:
                found = None
                head = os.pread(descriptor, _HEAD, 0)
                other = len(head) == _HEAD and not head.startswith(digest)
                os.close(descriptor)
                if other:
                    raise OtherRequest from None
                return None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            return found

    def _path(self, name: str) -> Path:
        return self._folder / hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def _read(self, descriptor: int, digest: bytes) -> Kept | None:
        held = os.pread(descriptor, _HEAD + _SUM + MOST_BYTES, 0)
        if len(held) < _HEAD + _SUM or int(held[33 : _HEAD - 1]) + self._seconds <= self._now():
            return None
        content = held[_HEAD + _SUM :]
        if held[_HEAD + 1 : _HEAD + _SUM - 1] != _digest(content):
            return None
        if not held.startswith(digest):
            raise OtherRequest
        return Kept(held[_HEAD : _HEAD + 1] == b"S", content)

    def sweep(self) -> None:
        """Forget what is too old, and the oldest of what is too much.  For a thread: it looks at each file."""
        found = []
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            try:
                told = path.stat()
            except FileNotFoundError:
                continue
            found.append((told.st_mtime, told.st_size, path))
        too_much = sum(size for _, size, _ in found) - FOLDER_BYTES
        for changed, size, path in sorted(found):
            if too_much <= 0 and changed + self._seconds > self._now():
                return
            if _forget(path):
                too_much -= size


def _forget(path: Path) -> bool:
    """Unless somebody is at it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode("ascii")
