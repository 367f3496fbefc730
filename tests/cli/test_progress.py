"""What a pull shows: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys

import pytest

from cloche.cli.progress import Lines
from cloche.engine.progress import Phase

SCRIPT = """
from cloche.cli import progress
from cloche.engine.progress import Phase
with progress.shown() as told:
    told(5, 5, Phase.CACHED)
    print("quiet", flush=True)
    for done in range(0, 101, 20):
        told(done * 1000, 100000, Phase.FETCHING)
    told(100000, 100000, Phase.DONE)
    print("after", flush=True)
"""


def test_lines_come_when_the_phase_changes(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal each phase is one line, however often it is told."""
    told = Lines()
    told(0, None, Phase.FETCHING)
    told(1_000_000, 98_362_432, Phase.FETCHING)
    told(0, None, Phase.CHECKING)
    told(98_362_432, 98_362_432, Phase.DONE)
    assert capsys.readouterr().err.splitlines() == ["fetching", "checking", "done 98.4 MB of 98.4 MB"]


def test_a_bar_is_drawn_on_a_terminal_for_a_pull_only() -> None:
    """Nothing is drawn for a model that is here already, and nothing after the pull is done."""
    master, slave = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        written = b""
        while process.poll() is None or select.select([master], [], [], 0)[0]:
            if select.select([master], [], [], 0.1)[0]:
                try:
                    written += os.read(master, 4096)
                except OSError:
                    break
        assert process.wait() == 0
    os.close(master)
    assert written.startswith(b"quiet\r\n")
    drawn, after, rest = written.partition(b"after\r\n")
    assert b"fetching" in drawn
    assert b"done" in drawn
    assert after
    assert rest == b""
