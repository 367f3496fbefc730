"""The engines of this host: one for each model that is wanted here, however many endpoints name it.

Owns the way from a model's name to a running engine and back: weights fetched, engine started, idle ones unloaded,
those that nobody wants any more drained and ended.  Must not know endpoints: which models are wanted, and whether they
may sleep, it is told by `keep`.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from pathlib import Path

from cloche.domain.errors import NotReady, Problem
from cloche.engine.catalogue import Catalogue, Model
from cloche.engine.journal import Journal
from cloche.engine.options import EngineOptions
from cloche.engine.progress import Phase
from cloche.engine.pull import pull
from cloche.engine.resident import Resident
from cloche.engine.rundir import run_parent
from cloche.engine.slots import Slots
from cloche.engine.supervisor import Engine, State

LINGER_SECONDS = 2.0
"""How long an engine that nobody wants stays after its last call: calls that chose it may be on their way."""

DRAIN_SECONDS = 600.0
"""The longest that running answers keep an engine that nobody wants."""

DRAIN_EVERY = 0.2
RETRY_SECONDS = 60.0
"""How long a model that did not load is left alone."""

Say = Callable[[str], None]
log = logging.getLogger("cloche.engine")


class EngineHost:
    """Made in the event loop.  `idle_seconds`: without calls, after which an engine that may sleep is unloaded."""

    def __init__(
        self,
        catalogue: Catalogue,
        options: EngineOptions,
        run_dir: Path,
        idle_seconds: float,
        now_ms: Callable[[], int],
    ) -> None:
        self.options = options
        self._catalogue = catalogue
        self._run_dir = run_dir
        self._idle_seconds = idle_seconds
        self._now_ms = now_ms
        self._loop = asyncio.get_running_loop()
        self._residents: dict[str, Resident] = {}
        self._loading: dict[str, asyncio.Lock] = {}
        self._journals: dict[str, Journal] = {}
        self._failures: dict[str, tuple[float, str]] = {}
        self._retiring: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        _sweep(run_dir)

    def resident(self, name: str) -> Resident | None:
        """The model of that name with its engine, where it has one now."""
        return self._residents.get(name)

    @property
    def residents(self) -> Mapping[str, Resident]:
        """Every model that has an engine now, by name."""
        return self._residents

    def available(self, name: str) -> bool:
        """Whether calls to a model can be served here."""
        resident = self._residents.get(name)
        return resident is not None and resident.available

    def failure(self, name: str) -> str | None:
        """Why a model does not load, as long as it is left alone for that; None if a try is worth while."""
        at, why = self._failures.get(name, (0.0, ""))
        return why if why and self._loop.time() < at + RETRY_SECONDS else None

    def state(self, name: str) -> tuple[State, str]:
        """What a model's engine is doing, and why.  One that sleeps is STOPPED, one that is not there STARTING."""
        resident = self._residents.get(name)
        if resident is not None:
            return resident.engine.state, resident.engine.detail
        if name in self._failures and not self._loading.get(name, asyncio.Lock()).locked():
            return State.FAILED, self._failures[name][1]
        return State.STARTING, "the model is being loaded"

    def journal(self, name: str) -> Journal:
        """What is told of a model's engine."""
        return self._journals.setdefault(name, Journal(self._now_ms))

    # ---------------------------------------------------------------- loading

    async def load(self, name: str, say: Say) -> None:
        """See to it that a query works: fetch the weights if they are missing, start the engine.

        `say` is told of the progress, from any thread.  Raises EngineFailed with the engine's last words, PullFailed,
        or another Problem for weights that cannot be had.
        """
        async with self._loading.setdefault(name, asyncio.Lock()):
            self._stay(name)
            if self.available(name):
                say(f"the model {name} is loaded already")
                return
            try:
                await self._start(name, say)
            except Problem as problem:
                self._failures[name] = (self._loop.time(), problem.message)
                self.journal(name).add(problem.message)
                raise
            self._failures.pop(name, None)

    async def _start(self, name: str, say: Say) -> None:
        failed = self._residents.pop(name, None)
        if failed is not None:
            await failed.close()
        model = await self._fetched(name, say)
        say(f"starting the engine for {name}")
        journal = self.journal(name)
        engine = Engine(model, self.options, self._run_dir, journal)
        await engine.start()
        slots = Slots(self.options.parallel, self.options.queue_limit, self.options.queue_seconds, self._loop)
        self._residents[name] = Resident(engine, slots, journal, self._loop)
        say(f"the engine for {name} is ready")

    async def _fetched(self, name: str, say: Say) -> Model:
        """The model, fetched in a thread where its weights are not here."""
        known = await asyncio.to_thread(self._catalogue.find, name)
        if known is not None:
            return known
        if name not in self._catalogue.known():
            return self._catalogue.get(name)  # which says that there is none
        return await _Fetch(name, self._catalogue, say).wait()

    # ---------------------------------------------------------------- keeping and letting go

    def keep(self, wanted: Mapping[str, bool]) -> None:
        """The models that are wanted here, and whether each may sleep.  The others are drained and ended."""
        for name in set(self._failures) - set(wanted):
            del self._failures[name]
        for name, resident in self._residents.items():
            if name not in wanted:
                if name not in self._retiring:
                    self._retiring[name] = self._spawn(self._retire(name, resident))
                continue
            self._stay(name)
            awake = not resident.asleep and resident.engine.state is State.READY
            if wanted[name] and awake and resident.idle_seconds() >= self._idle_seconds:
                self._spawn(resident.sleep())

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do something in the background, which `close` waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _stay(self, name: str) -> None:
        """A model that was being let go is wanted again."""
        retiring = self._retiring.pop(name, None)
        if retiring is not None:
            retiring.cancel()

    async def _retire(self, name: str, resident: Resident) -> None:
        """End an engine once its calls have ended.  May be cancelled until then, and not any more after."""
        deadline = self._loop.time() + DRAIN_SECONDS
        # By the clock, because what is waited for is that nothing happens for a while.
        while resident.idle_seconds() < LINGER_SECONDS and self._loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_EVERY)
        del self._residents[name], self._retiring[name]
        self.journal(name).add("no endpoint names this model any more")
        log.info("engine %s is not needed any more", name)
        await resident.close()

    async def close(self) -> None:
        """End every engine at once."""
        for task in self._retiring.values():
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(resident.close() for resident in self._residents.values()))
        self._residents.clear()


class _Fetch:
    """A pull in a thread of its own, which a server that ends does not wait for."""

    def __init__(self, name: str, catalogue: Catalogue, say: Say) -> None:
        self._name = name
        self._catalogue = catalogue
        self._say = say
        self._phase: tuple[Phase, int] | None = None
        self._unwanted = threading.Event()

    async def wait(self) -> Model:
        """The model, once it is here.  Raises what pull raises."""
        done: Future[Model] = Future()
        done.set_running_or_notify_cancel()  # from here on only the thread ends it
        threading.Thread(target=self._pull, args=(done,), name=f"pull {self._name}", daemon=True).start()
        try:
            return await asyncio.wrap_future(done)
        finally:
            self._unwanted.set()

    def _pull(self, done: Future[Model]) -> None:
        try:
            done.set_result(pull(self._name, self._catalogue, self._progress))
        except Exception as error:  # noqa: BLE001 - the edge of a thread: handed to whoever waits for it
            done.set_exception(error)

    def _progress(self, done: int, total: int | None, phase: Phase) -> None:
        """Say each new phase, and every tenth of the bytes."""
        if self._unwanted.is_set():
            raise NotReady("nobody waits for this model any more")
        tenths = 10 * done // total if total else 0
        if self._phase != (phase, tenths):
            self._phase = (phase, tenths)
            self._say(f"{self._name}: {phase}" + (f", {10 * tenths} %" if total else ""))


def _sweep(run_dir: Path) -> None:
    """Remove what the engines of a killed server have left.  The home's lock is held: no living one is among them."""
    for leftover in run_parent(run_dir).glob("engine-*"):
        shutil.rmtree(leftover, ignore_errors=True)
