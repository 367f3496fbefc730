"""The folder of a socket is private, fresh, and short enough for the kernel."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from cloche.engine.rundir import SOCKET, choose_run_dir, make_run_dir, run_parent


@pytest.mark.parametrize("parent", ["run", "x" * 150, "日本語" * 12])
def test_a_socket_fits(tmp_path: Path, parent: str) -> None:
    """Below a long directory, too, the folder is 0700 and its socket can be bound."""
    folder = choose_run_dir(tmp_path / parent)
    make_run_dir(folder)
    try:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / SOCKET))
        (folder / SOCKET).unlink()
    finally:
        folder.rmdir()
        folder.parent.rmdir()


def test_the_place_of_a_long_home_is_always_the_same(tmp_path: Path) -> None:
    """What a killed server has left is found again by the next one, and nobody else's folder is taken for it."""
    home = tmp_path / ("x" * 150)
    assert run_parent(home) == run_parent(home) != run_parent(tmp_path / ("y" * 150))
    run_parent(home).symlink_to(tmp_path)
    try:
        with pytest.raises(OSError, match="somebody else"):
            make_run_dir(choose_run_dir(home))
    finally:
        run_parent(home).unlink()


def test_a_folder_that_is_there_is_not_taken(tmp_path: Path) -> None:
    """Somebody else may have put it there."""
    folder = choose_run_dir(tmp_path)
    folder.mkdir()
    with pytest.raises(FileExistsError):
        make_run_dir(folder)
