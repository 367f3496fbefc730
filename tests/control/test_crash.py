"""A process that is killed while it publishes leaves a database, and a kept state, that are whole and agree."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.store import snapshot_file
from cloche.store.audit import AuditFilter
from cloche.store.database import open_store
from cloche.store.sealing import Sealer
from cloche.store.upkeep import flaws
from databases import MASTER_KEYS

from .installation import ENDPOINT_ID, NOW

ROUNDS = {"sqlite": 50, "postgresql": 10}

NURSERY = """
import os, pathlib, sys
sys.path.insert(0, sys.argv[3])
from cloche.control.auditing import note
from cloche.domain.endpoint import Endpoint, Properties, Version
from cloche.store import snapshot_file
from cloche.store.database import open_store
from control.installation import ADMIN, ENDPOINT_ID, NOW, configuration, openai_entity, publisher
from databases import MASTER_KEYS

home, url = pathlib.Path(sys.argv[1]), sys.argv[2] or None

def publish_for_ever():
    store = open_store(home, MASTER_KEYS, url)
    made = publisher(store)
    sealed = store.sealed_token_key
    begun = False
    while True:
        with made.change() as work:
            number = work.endpoints.next_number(ENDPOINT_ID)
            version = Version(number, configuration(openai_entity(f"e{number}")), NOW, "admin")
            work.endpoints.add_version(ENDPOINT_ID, version)
            work.endpoints.put(Endpoint(ENDPOINT_ID, "bot", "admin", NOW, NOW, Properties(), version))
            note(work, ADMIN, "endpoint.update", str(number), NOW)
        kept = snapshot_file.Kept(made.current().state, sealed, NOW)
        snapshot_file.write(home / snapshot_file.FILE, kept, store.sealer)
        if not begun:
            os.write(1, b"begin\\n")
            begun = True

for line in sys.stdin:
    child = os.fork()
    if not child:
        publish_for_ever()
    os.write(1, b"%d\\n" % child)
    os.waitpid(child, 0)
    os.write(1, b"gone\\n")
"""


@pytest.fixture
def nursery(tmp_path: Path, database_url: str | None) -> Iterator[subprocess.Popen[str]]:
    """A process that has everything imported, and for each line forks a child that publishes until it is killed."""
    open_store(tmp_path, MASTER_KEYS, database_url).close()
    command = [sys.executable, "-c", NURSERY, str(tmp_path), database_url or "", str(Path(__file__).parents[1])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


def kill_one(nursery: subprocess.Popen[str], after: float) -> None:
    """Let a child publish once, and kill it that many seconds later."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write("next\n")
    nursery.stdin.flush()
    said = {nursery.stdout.readline().strip(), nursery.stdout.readline().strip()}
    (child,) = said - {"begin"}
    time.sleep(after)
    os.kill(int(child), signal.SIGKILL)
    assert nursery.stdout.readline() == "gone\n"


def check(home: Path, url: str | None) -> int:
    """See that everything is whole and agrees; returns the number of the endpoint's version."""
    store = open_store(home, MASTER_KEYS, url)
    with store.read() as work:
        state = work.state()
        versions = {version.number for version in work.endpoints.versions(ENDPOINT_ID)}
        noted = {int(entry.target) for entry in work.audit.find(AuditFilter(limit=100_000))}
    store.close()
    assert url is not None or flaws(home / "cloche.db") == []
    active = {endpoint.active.number for endpoint in state.endpoints if endpoint.active}
    number = max(active, default=0)
    assert versions == set(range(1, number + 1)) == noted
    assert state.revision == number + 1
    if (home / snapshot_file.FILE).exists():
        kept = snapshot_file.read(home / snapshot_file.FILE, Sealer(MASTER_KEYS), NOW, 60)
        assert kept.state == state or kept.state.revision < state.revision
    return number


def test_a_killed_publication_leaves_everything_whole(
    nursery: subprocess.Popen[str], tmp_path: Path, database_url: str | None
) -> None:
    """Killed at random moments, again and again: the database opens and is whole, revision, versions and audit log
    agree, and the kept state is valid and not newer."""
    dice = random.Random(7)
    rounds = ROUNDS["sqlite" if database_url is None else "postgresql"]
    numbers = [0]

    def amid_publishing() -> bool:
        """Whether somebody was killed later than at the first publication; where not, the moments prove nothing."""
        return numbers[-1] > len(numbers)

    # On a busy machine the moments come later than they are meant to, and it takes more of them.
    while len(numbers) <= rounds or not amid_publishing():
        kill_one(nursery, dice.uniform(0, 0.04))
        numbers.append(check(tmp_path, database_url))
        assert len(numbers) < 4 * rounds, "nobody was killed while publishing"
    assert numbers == sorted(numbers)
