"""Who brings a pending version up, and what serves meanwhile: one host at a time, over real engines and a database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from cloche.control import deploy
from cloche.control.compiling import Compiler
from cloche.control.deploy import Deployer
from cloche.control.endpoints import Endpoints
from cloche.control.publish import Publisher
from cloche.control.status import Statuses
from cloche.domain.access import ADMIN, ADMIN_ID, Caller, Principal
from cloche.domain.endpoint import Configuration, Declaration, Endpoint, ServedEntity, Update, even_split
from cloche.domain.errors import NotReady
from cloche.domain.outbound import Timeouts
from cloche.engine import host as hosts
from cloche.engine.catalogue import MANIFEST, SMOLLM2, WEIGHTS, Catalogue
from cloche.engine.host import EngineHost
from cloche.engine.options import EngineOptions
from cloche.gateway.local_model import EngineModels
from cloche.snapshot import CompiledEndpoint, Slot, Snapshot
from cloche.store.database import Store, open_store
from databases import MASTER_KEYS

pytestmark = pytest.mark.model

MODEL = SMOLLM2.name
ANN = Caller(Principal(ADMIN_ID, ADMIN, admin=True, may_create=True))
SMALL = EngineOptions(parallel=1, context_length=512)


def now_ms() -> int:
    """The clock."""
    return time.time_ns() // 1_000_000


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited for by the clock comes sooner."""
    monkeypatch.setattr(deploy, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(hosts, "LINGER_SECONDS", 0.1)


def declared(*models: str) -> Declaration:
    """An endpoint named `bot` with an entity for each model."""
    entities = tuple(ServedEntity(f"on-{model}", entity_name=model, entity_version="1") for model in models)
    return Declaration("bot", Configuration(entities, even_split(entities)))


class Host:
    """One host of a database."""

    def __init__(self, store: Store, catalogue: Catalogue, run_dir: Path) -> None:
        self.engines = EngineHost(catalogue, SMALL, run_dir, 1000.0, now_ms)
        self.models = EngineModels(self.engines, 16)
        compiler = Compiler(store.sealer.open, self.models.handle, Timeouts())
        self.publisher = Publisher(Slot(Snapshot(0, {}, {})), store, compiler)
        self.endpoints = Endpoints(self.publisher, now_ms, lambda _: None)
        self.deployer = Deployer(self.publisher, self.endpoints, self.engines, now_ms)
        self.publisher.refresh()

    @property
    def compiled(self) -> CompiledEndpoint:
        """The endpoint as this host serves it."""
        return self.publisher.current().endpoints["bot"]

    @property
    def bot(self) -> Endpoint:
        """The endpoint as this host knows it."""
        return self.compiled.endpoint

    @asynccontextmanager
    async def deploying(self) -> AsyncIterator[None]:
        """Bring up what there is while the block lasts."""
        task = asyncio.create_task(self.deployer.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.engines.close()


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something to come true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def test_who_asks_after_the_first_look_need_not_wait_for_the_next(
    store: Store, models: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether all is settled is known from what was seen already, though nothing is looked at again for long."""
    monkeypatch.setattr(deploy, "LOOK_SECONDS", 60.0)

    async def main() -> None:
        host = Host(store, models, tmp_path / "run")
        async with host.deploying():
            async with asyncio.timeout(10):
                assert await host.deployer.settled([]) == []
                assert await host.deployer.settled([]) == []

    asyncio.run(main())


def test_a_pending_version_takes_over_when_its_model_is_loaded(store: Store, models: Catalogue, tmp_path: Path) -> None:
    """A new endpoint is pending until its engine runs; callers are told to come back, and then it serves."""

    async def main() -> None:
        host = Host(store, models, tmp_path / "run")
        host.endpoints.create(ANN, declared(MODEL))
        assert host.bot.update is Update.IN_PROGRESS
        assert isinstance(host.compiled.problem, NotReady)
        async with host.deploying():
            assert await host.deployer.settled(["bot"]) == []
            assert host.bot.active is not None
            assert host.compiled.targets[f"on-{MODEL}"].local is host.models.handle(MODEL)
            assert Statuses(host.models, host.publisher.current, lambda _: {}).of(host.bot).ready
            with store.read() as work:
                lines = [each.line for each in work.endpoints.build_log(host.bot.id, f"on-{MODEL}")]
            assert lines == [f"starting the engine for {MODEL}", f"the engine for {MODEL} is ready"]
            host.endpoints.remove(ANN, "bot")
            await until(lambda: host.engines.resident(MODEL) is None)

    asyncio.run(main())


def test_a_version_that_cannot_serve_leaves_the_one_before(store: Store, models: Catalogue, tmp_path: Path) -> None:
    """The entity at fault is named with its reason, the other one was given up, and the old version serves."""

    async def main() -> None:
        host = Host(store, models, tmp_path / "run")
        host.endpoints.create(ANN, declared(MODEL))
        async with host.deploying():
            await host.deployer.settled(["bot"])
            host.endpoints.update(ANN, "bot", declared(MODEL, "missing").configuration)
            assert await host.deployer.settled(["bot"]) == [
                "endpoint 'bot': served entity 'on-missing': "
                "There is no model 'missing' here. `cloche models list` shows those that are."
            ]
            assert list(host.compiled.targets) == [f"on-{MODEL}"]
            status = Statuses(host.models, host.publisher.current, lambda _: {}).of(host.bot)
            assert status.ready
            assert status.pending[f"on-{MODEL}"] == ("DEPLOYMENT_ABORTED", "")
            assert status.pending["on-missing"][0] == "DEPLOYMENT_FAILED"
            assert "There is no model 'missing' here" in status.pending["on-missing"][1]

    asyncio.run(main())


def test_a_host_takes_over_from_one_that_died(store: Store, models: Catalogue, tmp_path: Path) -> None:
    """While another host has the lease nothing is done; when it has ended without a word, this host finishes."""

    async def main() -> None:
        host = Host(store, models, tmp_path / "run")
        host.endpoints.create(ANN, declared(MODEL))
        with store.write(publish=False) as work:
            assert work.endpoints.claim(host.bot.id, "somebody else", now_ms(), now_ms() + 1500)
        async with host.deploying():
            await asyncio.sleep(0.5)
            assert not host.engines.available(MODEL)
            assert host.bot.update is Update.IN_PROGRESS
            assert await host.deployer.settled(["bot"]) == []

    asyncio.run(main())


def test_a_host_that_stops_leaves_its_work_to_others(store: Store, models: Catalogue, tmp_path: Path) -> None:
    """The lease of a version that is being brought up ends with the host that held it, and not only with its time."""

    async def main() -> None:
        host = Host(store, models, tmp_path / "run")
        host.endpoints.create(ANN, declared(MODEL))
        async with host.deploying():
            await asyncio.sleep(0.2)
        assert host.bot.update is Update.IN_PROGRESS
        with store.write(publish=False) as work:
            assert work.endpoints.claim(host.bot.id, "somebody else", now_ms(), now_ms() + 1500)

    asyncio.run(main())


def test_a_host_without_the_engine_keeps_serving_what_it_has(
    database_url: str | None, models: Catalogue, tmp_path: Path
) -> None:
    """When another host has activated a version, this one serves the version before until the engine is loaded here."""
    twin = twin_of(models, tmp_path / "models")
    first, second = (open_store(tmp_path, MASTER_KEYS, database_url) for _ in range(2))

    async def main() -> None:
        here, there = Host(first, twin, tmp_path / "here"), Host(second, twin, tmp_path / "there")
        here.endpoints.create(ANN, declared(MODEL))
        async with here.deploying():
            await here.deployer.settled(["bot"])
            async with there.deploying():
                await there.deployer.settled(["bot"])
                await until(lambda: there.engines.available(MODEL))
                load, hold = here.engines.load, asyncio.Event()

                async def slowly(name: str, say: Callable[[str], None]) -> None:
                    await hold.wait()
                    await load(name, say)

                here.engines.load = slowly  # type: ignore[method-assign]
                there.endpoints.update(ANN, "bot", declared("twin").configuration)
                # Whichever host has the lease, the version is active at the end; here it may not be this one.
                await until(lambda: there.bot.active is not None and there.bot.active.number == 2)
                await until(lambda: here.bot.active is not None and here.bot.active.number == 2)
                assert (here.compiled.outdated, list(here.compiled.targets)) == (True, [f"on-{MODEL}"])
                assert here.engines.available(MODEL)
                hold.set()
                await until(lambda: not here.compiled.outdated)
                assert list(here.compiled.targets) == ["on-twin"]
                await until(lambda: here.engines.resident(MODEL) is None)

    try:
        asyncio.run(main())
    finally:
        first.close()
        second.close()


def twin_of(models: Catalogue, folder: Path) -> Catalogue:
    """A catalogue with the default model under its name and as `twin`."""
    model = models.get(MODEL)
    for name in (MODEL, "twin"):
        (folder / name).mkdir(parents=True)
        (folder / name / WEIGHTS).symlink_to(model.path)
        (folder / name / MANIFEST).write_bytes(msgspec.json.encode(msgspec.structs.replace(model, name=name)))
    return Catalogue(folder)
