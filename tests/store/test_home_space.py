"""Whether a home can be written, found out by writing."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.store import home_space
from cloche.store.home_space import HomeSpace, HomeWatch


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB, where one may be made."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = tmp_path / "small"
    folder.mkdir()
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=64k") != 0:
        pytest.skip("no file system may be mounted here")
    yield folder
    libc.umount2(os.fsencode(folder), 2)


def test_a_home_with_room(tmp_path: Path) -> None:
    """There is nothing to tell, and nothing is left of the look."""
    found = HomeWatch(tmp_path).look()
    assert found.problem is None
    assert found.free_bytes is not None
    assert found.free_bytes > 0
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_and_forgotten(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While there is no room for a page it is a problem, and afterwards none; between two looks nothing is written."""
    watch = HomeWatch(small)
    assert watch.look().problem is None
    fill = small / "fill"
    with pytest.raises(OSError, match="No space"):
        fill.write_bytes(bytes(1_000_000))
    assert watch.look().problem is None
    monkeypatch.setattr(home_space, "AGAIN_SECONDS", 0.0)
    assert watch.look() == HomeSpace(0, os.strerror(errno.ENOSPC))
    assert [each.name for each in small.iterdir()] == ["fill"]
    fill.unlink()
    assert watch.look().problem is None


def test_a_home_that_is_gone(tmp_path: Path) -> None:
    """That is a problem like any other."""
    assert HomeWatch(tmp_path / "gone").look() == HomeSpace(None, os.strerror(errno.ENOENT))
