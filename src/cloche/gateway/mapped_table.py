"""A file in the home that every process of this host maps: a table of slots, each some words of 8 bytes.

Owns the file's opening, space and closing.  Whoever counts in it does so under one lock on the file, which the kernel
frees when its holder dies.  Must not know what the words mean.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path


class MappedTable:
    """The table in one process, which owns the descriptor from now on.  `further`: words behind the slots."""

    def __init__(self, descriptor: int, slots: int, words_of_slot: int, further: int = 0) -> None:
        self._descriptor = descriptor
        self._slots = slots
        try:
            self._map = mmap.mmap(descriptor, (slots * words_of_slot + further) * 8)
        except BaseException:
            os.close(descriptor)
            raise
        self._words = memoryview(self._map).cast("q")

    def close(self) -> None:
        """Let go of the table; what was counted stays in it."""
        self._words.release()
        self._map.close()
        os.close(self._descriptor)


def open_table(path: Path, size: int) -> int:
    """The descriptor of the file, which has its space.  Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        reserve_space(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def reserve_space(descriptor: int, size: int) -> None:
    """Give the file its size, with its blocks: a full disk must be a fault at the start, and none in a mapped page."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    elif os.fstat(descriptor).st_size < size:  # macOS has it not
        os.ftruncate(descriptor, size)
