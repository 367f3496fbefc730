"""Where an engine's socket lives: a private folder, made fresh for each engine.

The engine itself would leave its socket open to every user of the machine, so the folder keeps others out.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

SOCKET = "e.sock"
"""The engine takes an address for a Unix socket only if it ends in `.sock`."""

MAX_SOCKET_PATH = 100
"""Bytes.  The kernel's limit is 108 on Linux and 104 elsewhere, the closing zero included."""


def choose_run_dir(parent: Path) -> Path:
    """A folder that does not exist yet, below `parent`, or below the system's temporary folder where a socket's path
    would be too long otherwise."""
    folder = parent.absolute() / f"engine-{secrets.token_hex(4)}"
    if len(os.fsencode(folder / SOCKET)) > MAX_SOCKET_PATH:
        return Path(tempfile.gettempdir(), f"cloche-{secrets.token_hex(8)}")
    return folder


def make_run_dir(folder: Path) -> None:
    """Make the chosen folder, for its owner alone.  Raises OSError where it exists: someone else has put it there."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
