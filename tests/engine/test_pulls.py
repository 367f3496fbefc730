"""How pulls are told of: over processes, and after the one that had them is gone."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from cloche.domain.errors import InvalidParameter, QuotaExceeded
from cloche.engine.catalogue import Catalogue
from cloche.engine.pulls import KEPT, MOST_AT_ONCE, Pull, Pulls

MISSING = "hf:org/repo/none.gguf"


@pytest.fixture
def pulls(tmp_path: Path) -> Pulls:
    """Those of a fresh home."""
    return Pulls(tmp_path / "pulls", Catalogue(tmp_path / "models"), lambda: time.time_ns() // 1_000_000)


def kept(folder: Path, pull: Pull, pid: int) -> None:
    """A file as another process leaves it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{pull.id}.json").write_bytes(msgspec.json.encode({"pull": pull, "pid": pid}))


def test_a_pull_whose_process_is_gone_has_failed(tmp_path: Path, pulls: Pulls) -> None:
    """It is told as failed with what to do, while one whose process lives goes on."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    alive = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        kept(tmp_path / "pulls", Pull("a", MISSING, "none", "running", 5, 10, "fetching", 2), gone.pid)
        kept(tmp_path / "pulls", Pull("b", MISSING, "none", "running", 5, 10, "fetching", 1), alive.pid)
        (tmp_path / "pulls" / "c.json").write_text("half a fi")
        first, second = pulls.all()
        assert (first.id, first.state, first.bytes) == ("a", "failed", 5)
        assert "pull it again" in first.error
        assert (second.id, second.state, second.error) == ("b", "running", "")
    finally:
        alive.communicate(b"\n")


def test_there_are_bounds(tmp_path: Path, pulls: Pulls, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be fetched and too many at once are refused; of old ones only the newest are told."""
    with pytest.raises(InvalidParameter):
        pulls.begin("x", "gpt-7", None)
    assert pulls.all() == []
    alive = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        for number in range(MOST_AT_ONCE):
            running = Pull(f"r{number}", MISSING, "none", "running", 0, None, "fetching", number)
            kept(tmp_path / "pulls", running, alive.pid)
        with pytest.raises(QuotaExceeded):
            pulls.begin("x", MISSING, None)
    finally:
        alive.communicate(b"\n")
    for number in range(KEPT + 5):
        old = Pull(f"d{number}", MISSING, "none", "done", 1, 1, "done", 100 + number)
        kept(tmp_path / "pulls", old, alive.pid)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    pulls.begin("y", MISSING, None)
    deadline = time.monotonic() + 30
    while pulls.all()[0].state == "running":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(pulls.all()) == KEPT
    assert (pulls.all()[0].id, pulls.all()[0].state) == ("y", "failed")
    assert "extra 'hf'" in pulls.all()[0].error
