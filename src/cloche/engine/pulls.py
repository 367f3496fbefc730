"""Pulls that a server was asked for, each in a thread of its own, told of in small files that all its processes read.

`<folder>/<id>.json` is replaced as a whole a few times a second.  A pull whose process is gone has failed, whatever its
file says; the weights are safe, because an unfinished pull leaves nothing but a staging folder.  Must not know who may
pull.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from cloche.domain.errors import Problem, QuotaExceeded
from cloche.engine.catalogue import Catalogue
from cloche.engine.progress import Phase
from cloche.engine.pull import name_for, pull

KEPT = 20
"""That are told of; the oldest go first."""

MOST_AT_ONCE = 4
TELL_SECONDS = 0.25
_GONE = "the process that fetched it has ended: pull it again"


class Pull(msgspec.Struct, frozen=True, omit_defaults=True):
    """One pull.  `bytes`: that are here, of `total`, where that is known.  `phase`: in words.  `started_at`: Unix
    milliseconds."""

    id: str
    spec: str
    name: str
    state: Literal["running", "done", "failed"]
    bytes: int
    total: int | None
    phase: str
    started_at: int
    error: str = ""


class _Kept(msgspec.Struct, frozen=True):
    """As it lies in its file.  `pid`: of the process whose thread it is."""

    pull: Pull
    pid: int


class Pulls:
    """Those of one home.  `folder` is made with the first of them."""

    def __init__(self, folder: Path, catalogue: Catalogue, now_ms: Callable[[], int]) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._now_ms = now_ms

    def all(self) -> list[Pull]:
        """The newest first."""
        found = [kept for path in self._folder.glob("*.json") if (kept := _read(path)) is not None]
        return sorted((_told(each) for each in found), key=lambda each: (-each.started_at, each.id))

    def begin(self, pull_id: str, spec: str, name: str | None) -> Pull:
        """Fetch a model in the background.  InvalidParameter for what cannot be fetched, QuotaExceeded."""
        known = name_for(spec, self._catalogue, name)
        if sum(each.state == "running" for each in self.all()) >= MOST_AT_ONCE:
            raise QuotaExceeded(f"{MOST_AT_ONCE} models are being fetched already: wait for one of them")
        begun = Pull(pull_id, spec, known, "running", 0, None, Phase.WAITING, self._now_ms())
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._forget_old()
        told = _Telling(self._folder / f"{pull_id}.json", begun)
        told.write()
        threading.Thread(target=self._run, args=(told,), name=f"pull {known}", daemon=True).start()
        return begun

    def _run(self, told: _Telling) -> None:
        asked = told.pull
        try:
            model = pull(asked.spec, self._catalogue, told.progress, asked.name)
        except Problem as problem:
            told.end(state="failed", error=problem.message)
        except Exception as error:  # noqa: BLE001 - the edge of a thread: whoever looks is told
            told.end(state="failed", error=f"{type(error).__name__}: {error}")
        else:
            told.end(state="done", bytes=model.size, total=model.size)

    def _forget_old(self) -> None:
        for old in self.all()[KEPT - 1 :]:
            if old.state != "running":
                (self._folder / f"{old.id}.json").unlink(missing_ok=True)


class _Telling:
    """Writes how one pull goes."""

    def __init__(self, path: Path, begun: Pull) -> None:
        self._path = path
        self._written = 0.0
        self.pull = begun

    def progress(self, done: int, total: int | None, phase: Phase) -> None:
        """Note what is known, and write it if the last time is long enough ago."""
        changed = phase != self.pull.phase
        self.pull = msgspec.structs.replace(self.pull, bytes=done, total=total, phase=str(phase))
        if changed or time.monotonic() - self._written > TELL_SECONDS:
            self.write()

    def end(self, **outcome: object) -> None:
        """It is over."""
        self.pull = msgspec.structs.replace(self.pull, phase=str(Phase.DONE), **outcome)
        self.write()

    def write(self) -> None:
        """Replace the file; a disk that is full costs the news, not the pull."""
        self._written = time.monotonic()
        with contextlib.suppress(OSError):
            fresh = self._path.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(_Kept(self.pull, os.getpid())))
            os.replace(fresh, self._path)


def _read(path: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (OSError, msgspec.MsgspecError):
        return None  # it was forgotten a moment ago, or somebody else wrote it


def _told(kept: _Kept) -> Pull:
    if kept.pull.state != "running" or _lives(kept.pid):
        return kept.pull
    return msgspec.structs.replace(kept.pull, state="failed", error=_GONE)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
