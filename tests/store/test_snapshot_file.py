"""The kept state: whole, ours and not too old, or refused with the reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloche.domain.access import ADMINS_ID, ClientSecret, Group, Identity, Kind, Level, Permission, Token
from cloche.domain.endpoint import Configuration, Endpoint, ExternalModel, Properties, Route, ServedEntity, Tag, Version
from cloche.domain.state import SigningKey, State
from cloche.store.sealing import Sealer
from cloche.store.snapshot_file import Kept, NotUsable, read, write

SEALER = Sealer([b"k" * 32])
HOUR = 3_600_000

MODEL = ExternalModel("m", "openai", "llm/v1/chat", {"openai_config": {"openai_api_key": "{{secrets/s/k}}", "n": 1.5}})
VERSION = Version(3, Configuration((ServedEntity("e", external_model=MODEL),), (Route("e", 100),)), 5, "admin")
STATE = State(
    revision=7,
    identities=(Identity("1", Kind.USER, "admin", "Ädmin", emails=("a@b",)),),
    groups=(Group(ADMINS_ID, "admins", frozenset({"1", "5"})),),
    tokens=((bytes(range(32)), Token("t", "1", "laptop", 1, None, 9)),),
    client_secrets=(ClientSecret("c", "5", 1),),
    signing_keys=(SigningKey("k", b"{}", b"\x00\xff", 1),),
    endpoints=(Endpoint("ff", "bot", "admin", 1, 2, Properties(tags=(Tag("a"),)), VERSION),),
    permissions=(Permission("ff", "5", Level.CAN_QUERY),),
    secrets=(("s", "k", b"\x00\x01"),),
)
KEPT = Kept(STATE, b"sealed", HOUR)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a state that was kept at one o'clock."""
    write(tmp_path / "published.snapshot", KEPT, SEALER)
    return tmp_path / "published.snapshot"


def refusal(path: Path, sealer: Sealer = SEALER, now_ms: int = HOUR) -> str:
    """Why a file is not used."""
    with pytest.raises(NotUsable) as caught:
        read(path, sealer, now_ms, 60)
    return str(caught.value)


def test_what_was_kept_comes_back(path: Path) -> None:
    """Every value of the state is as it was, and nobody else may read the file."""
    assert read(path, SEALER, HOUR + 60_000, 60) == KEPT
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_every_changed_byte_is_noticed(path: Path) -> None:
    """A file in which any one byte was changed is refused."""
    data = path.read_bytes()
    for index in range(len(data)):
        path.write_bytes(data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :])
        assert "snapshot" in refusal(path)


@pytest.mark.parametrize("cut", [0, 7, 20, 60, -1])
def test_a_cut_file_is_refused(path: Path, cut: int) -> None:
    """A file that ends early is not used, wherever it ends."""
    path.write_bytes(path.read_bytes()[:cut])
    refusal(path)


def test_reasons_are_told(path: Path, tmp_path: Path) -> None:
    """Too old, of another key, not there: each in its own words."""
    assert "too old" in refusal(path, now_ms=HOUR + 61_000)
    assert "another master key" in refusal(path, Sealer([b"x" * 32]))
    assert "there is no" in refusal(tmp_path / "nothing")
    assert "cannot be read" in refusal(tmp_path)


def test_a_rotated_key_still_opens(path: Path) -> None:
    """What was written under a key that now stands second is read."""
    assert read(path, Sealer([b"n" * 32, b"k" * 32]), HOUR, 60) == KEPT


def test_a_full_disk_leaves_the_old_one(path: Path) -> None:
    """When the new one cannot be written whole, the one before stays and nothing lies about."""
    script = (
        "import resource, signal, sys, pathlib; sys.path[:0] = sys.argv[2:]\n"
        "import test_snapshot_file as here\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try: here.write(pathlib.Path(sys.argv[1]), here.KEPT, here.SEALER)\n"
        "except OSError as error: print(error.errno)"
    )
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), *folders], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip().isdigit()
    assert os.listdir(path.parent) == [path.name]
    assert read(path, SEALER, HOUR, 60) == KEPT
