"""Where an engine's socket lives: a private folder, made fresh for each engine.

The engine itself would leave its socket open to every user of the machine, so the folder keeps others out.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import tempfile
from pathlib import Path

SOCKET = "e.sock"
"""The engine takes an address for a Unix socket only if it ends in `.sock`."""

MAX_SOCKET_PATH = 100
"""Bytes.  The kernel's limit is 108 on Linux and 104 elsewhere, the closing zero included."""


def run_parent(wanted: Path) -> Path:
    """The folder that engines' folders are in: `wanted`, or, where a socket's path would be too long, one below the
    system's temporary folder, always the same for the same `wanted`."""
    wanted = wanted.absolute()
    if len(os.fsencode(wanted / "engine-00000000" / SOCKET)) <= MAX_SOCKET_PATH:
        return wanted
    name = hashlib.blake2b(os.fsencode(wanted), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir(), f"cloche-{name}")


def choose_run_dir(wanted: Path) -> Path:
    """A folder that does not exist yet, for one engine."""
    return run_parent(wanted) / f"engine-{secrets.token_hex(4)}"


def make_run_dir(folder: Path) -> None:
    """Make the chosen folder, for its owner alone.

    Raises OSError where it exists, or where its parent is somebody else's: the temporary folder is open to everybody.
    """
    parent = folder.parent
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{parent} belongs to somebody else")
    folder.mkdir(mode=0o700)
