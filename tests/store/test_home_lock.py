"""One server for a home, whoever comes second is told who has it, and a dead holder holds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloche.store.home_lock import HomeInUse, HomeLock

HOLD = """
import pathlib, sys, time
from cloche.store.home_lock import HomeLock
with HomeLock(pathlib.Path(sys.argv[1])):
    print(flush=True)
    time.sleep(60)
"""


def test_a_second_taker_is_told_who_holds_it(tmp_path: Path) -> None:
    """The message names the process, and when that was killed the home is free at once."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        for _ in range(2):
            with pytest.raises(HomeInUse, match=rf"process {holder.pid}\b"), HomeLock(tmp_path):
                pass
        holder.kill()
    with HomeLock(tmp_path):
        assert (tmp_path / "serve.lock").read_text() == f"{os.getpid()}\n"


def test_a_home_can_be_taken_again(tmp_path: Path) -> None:
    """After its block a lock is free, for the same process too; another home is another lock."""
    (tmp_path / "other").mkdir()
    for _ in range(2):
        with HomeLock(tmp_path), HomeLock(tmp_path / "other"), pytest.raises(HomeInUse), HomeLock(tmp_path):
            pass
    assert (tmp_path / "serve.lock").stat().st_mode & 0o777 == 0o600
