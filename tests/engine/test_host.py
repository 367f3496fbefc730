"""The engines of a host: started once for each model, kept while they are wanted, asleep while nobody calls."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cloche.domain.errors import LimitExceeded, NotFound, NotReady, Problem
from cloche.engine import host as hosts
from cloche.engine import resident as residents
from cloche.engine.catalogue import SMOLLM2, Catalogue
from cloche.engine.host import EngineHost
from cloche.engine.journal import KEPT_LINES, Journal
from cloche.engine.options import EngineOptions
from cloche.engine.process import EngineFailed
from cloche.engine.resident import Resident
from cloche.engine.supervisor import State
from gguf_files import small_model

NAME = SMOLLM2.name
SMALL = EngineOptions(parallel=2, context_length=512, queue_limit=1)


@asynccontextmanager
async def hosting(catalogue: Catalogue, run_dir: Path, idle_seconds: float = 1000.0) -> AsyncIterator[EngineHost]:
    """A host, closed at the end."""
    host = EngineHost(catalogue, SMALL, run_dir, idle_seconds, lambda: 0)
    try:
        yield host
    finally:
        await host.close()


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something to come true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


class Call:
    """A call that waits for its turn, and what became of it."""

    def __init__(self, resident: Resident) -> None:
        self.turns = 0
        self.problem: Problem | None = None
        self.ticket = resident.enter(self._turn, self._refused)

    def _turn(self) -> None:
        self.turns += 1

    def _refused(self, problem: Problem) -> None:
        self.problem = problem


def loaded(host: EngineHost) -> Resident:
    """The one model, which must have an engine."""
    found = host.resident(NAME)
    assert found is not None
    return found


@pytest.mark.model
def test_a_model_is_loaded_once_and_let_go(models: Catalogue, tmp_path: Path) -> None:
    """Two that want the same model at once get one engine; it ends after its last call when nobody names it."""

    async def main() -> None:
        said: list[str] = []
        async with hosting(models, tmp_path / "run") as host:
            assert not host.available(NAME)
            assert host.state(NAME)[0] is State.STARTING
            await asyncio.gather(host.load(NAME, said.append), host.load(NAME, said.append))
            resident = loaded(host)
            pid = resident.engine.pid
            assert pid is not None
            assert said == [
                f"starting the engine for {NAME}",
                f"the engine for {NAME} is ready",
                f"the model {NAME} is loaded already",
            ]
            call = Call(resident)
            host.keep({})
            await asyncio.sleep(3 * hosts.DRAIN_EVERY)
            assert host.available(NAME), "a call is still under way"
            host.keep({NAME: False})  # it is wanted again
            call.ticket.leave(finished=True)
            await asyncio.sleep(hosts.LINGER_SECONDS + 0.5)
            assert loaded(host) is resident
            host.keep({})
            await until(lambda: host.resident(NAME) is None)
            await until(lambda: not os.path.exists(f"/proc/{pid}"))
            await until(lambda: list((tmp_path / "run").iterdir()) == [])
            assert "engine ready" in host.journal(NAME).text()
            assert "no endpoint names this model any more" in host.journal(NAME).text()

    asyncio.run(main())


@pytest.mark.model
def test_a_model_that_may_sleep_is_unloaded_and_wakes_for_a_call(models: Catalogue, tmp_path: Path) -> None:
    """Without calls it is unloaded; the next call is held until it is loaded, and more than may wait are refused."""

    async def main() -> None:
        async with hosting(models, tmp_path / "run", idle_seconds=0.2) as host:
            await host.load(NAME, lambda _: None)
            resident = loaded(host)
            call = Call(resident)
            await asyncio.sleep(0.3)
            host.keep({NAME: True})
            assert not resident.asleep, "a call is under way"
            call.ticket.leave()
            await asyncio.sleep(0.3)
            host.keep({NAME: False})
            assert not resident.asleep, "it may not sleep"
            host.keep({NAME: True})
            await until(lambda: resident.engine.state is State.STOPPED)
            assert (host.available(NAME), resident.engine.pid) == (True, None)
            resident.check_ready()
            first, second, third = Call(resident), Call(resident), Call(resident)
            with pytest.raises(NotReady, match="is being loaded and many calls wait"):
                Call(resident)
            second.ticket.leave()
            assert (first.turns, third.turns) == (0, 0)
            await until(lambda: first.turns)
            assert (first.turns, second.turns, third.turns) == (1, 0, 1)
            assert (resident.asleep, resident.slots.running) == (False, 2)
            waiting = Call(resident)
            with pytest.raises(LimitExceeded):
                Call(resident)
            for each in (first, third, waiting):
                each.ticket.leave()
            assert not resident.busy

    asyncio.run(main())


@pytest.mark.model
def test_a_call_is_not_held_for_ever(models: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is refused when the engine is not awake in time, and one whose engine goes away is refused, too."""
    monkeypatch.setattr(residents, "WAKE_SECONDS", 0.05)

    async def main() -> None:
        async with hosting(models, tmp_path / "run") as host:
            await host.load(NAME, lambda _: None)
            resident = loaded(host)
            await resident.sleep()
            late = Call(resident)
            await until(lambda: late.problem)
            assert isinstance(late.problem, NotReady)
            assert "was not loaded after" in late.problem.message
            await until(lambda: not resident.asleep)
            assert late.turns == 0
            await resident.sleep()
            monkeypatch.setattr(residents, "WAKE_SECONDS", 60.0)
            lost = Call(resident)
            await host.close()
            assert lost.problem is not None
            assert "is not served here any more" in lost.problem.message

    asyncio.run(main())


def test_a_model_that_does_not_load_is_left_alone_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure is told with the engine's last words, and a try is worth while again after some time."""
    path = tmp_path / "file.gguf"
    path.write_bytes(small_model())
    catalogue = Catalogue(tmp_path / "models")
    catalogue.add(path, "hollow")

    async def main() -> None:
        async with hosting(catalogue, tmp_path / "run") as host:
            assert host.failure("hollow") is None
            with pytest.raises(EngineFailed, match="did not start"):
                await host.load("hollow", lambda _: None)
            assert "did not start" in str(host.failure("hollow"))
            assert host.state("hollow")[0] is State.FAILED
            assert "did not start" in host.journal("hollow").text()
            with pytest.raises(NotFound, match="There is no model 'other' here"):
                await host.load("other", lambda _: None)
            monkeypatch.setattr(hosts, "RETRY_SECONDS", 0.0)
            assert host.failure("hollow") is None

    asyncio.run(main())


def test_what_a_killed_server_left_is_swept(tmp_path: Path) -> None:
    """Folders of engines from an earlier run are gone when a host begins; what is not ours stays."""
    run = tmp_path / "run"
    (run / "engine-0123abcd").mkdir(parents=True)
    (run / "engine-0123abcd" / "e.sock").touch()
    (run / "other").mkdir()

    async def main() -> None:
        async with hosting(Catalogue(tmp_path / "models"), run):
            assert [each.name for each in run.iterdir()] == ["other"]

    asyncio.run(main())


def test_a_journal_keeps_the_newest_lines() -> None:
    """Lines bear their time; the oldest go when there are too many."""
    times = iter(range(1_700_000_000_123, 1_800_000_000_000, 1000))
    journal = Journal(lambda: next(times))
    for number in range(KEPT_LINES + 1):
        journal.add(f"line {number}")
    first, *_, last = journal.text().splitlines()
    assert first == "2023-11-14T22:13:21.123Z line 1"
    assert last.endswith(f" line {KEPT_LINES}")
