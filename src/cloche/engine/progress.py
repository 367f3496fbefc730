"""What a pull tells while it works, and how it fails.  Shared by `pull.py` and the places that weights come from."""

from __future__ import annotations

import enum
from collections.abc import Callable

from cloche.domain.errors import OurFault


class Phase(enum.StrEnum):
    """What a pull is doing."""

    WAITING = "waiting for another pull"
    FETCHING = "fetching"
    UNPACKING = "unpacking"
    CHECKING = "checking"
    CACHED = "cached"
    DONE = "done"


Progress = Callable[[int, int | None, Phase], None]
"""Told (bytes done, bytes in all or None, phase) as often as something is known."""


class PullFailed(OurFault):
    """The weights could not be had; the message says why and what to do.  For the operator at the terminal."""
