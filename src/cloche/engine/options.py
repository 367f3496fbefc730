"""How an engine is run: the choices an operator has, with the defaults that measuring gave."""

from __future__ import annotations

import importlib.util
import os
import sys

import msgspec

MAX_DEFAULT_CONTEXT = 4096
"""Tokens.  Memory for the context is taken at once, `parallel` times: a model trained on 128k would not fit."""


def default_threads() -> int:
    """All usable cores but one.

    With as many threads as cores, decoding collapses (to a tenth and less) as soon as anything else wants a core, and
    the gateway itself does.
    """
    # Windows and macOS cannot tell which cores are allowed.
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, usable - 1)


def is_installed() -> bool:
    """Whether the engine, an extra, is there to be started."""
    return importlib.util.find_spec("xllamacpp") is not None


class EngineOptions(msgspec.Struct, frozen=True):
    """`parallel` calls run side by side, each with `context_length` tokens (None: as trained, at most 4096).

    Beyond them `queue_limit` calls wait, for at most `queue_seconds`.  `stall_seconds`: a running call that has got no
    byte for so long means that the engine hangs, because one at work sends a comment line every 30 s even while it
    reads a long prompt.
    """

    threads: int = msgspec.field(default_factory=default_threads)
    parallel: int = 4
    context_length: int | None = None
    queue_limit: int = 32
    queue_seconds: float = 30.0
    stall_seconds: float = 120.0

    def context_for(self, trained: int) -> int:
        """Tokens per request for a model that was trained on `trained` tokens (0 where its file does not say)."""
        wanted = self.context_length or MAX_DEFAULT_CONTEXT
        return min(trained, wanted) if trained else wanted
