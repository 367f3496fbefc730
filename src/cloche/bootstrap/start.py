"""From the settings to a server that runs, and back: everything is taken down in the opposite order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable

from cloche.bootstrap import welcome
from cloche.bootstrap.budget_keeper import BudgetKeeper
from cloche.bootstrap.desk import EngineNewsRoom
from cloche.bootstrap.entity_lines import EntityLines
from cloche.bootstrap.handover import Handover
from cloche.bootstrap.host import engine_host, hosting
from cloche.bootstrap.outage import Keeper, come_up, opened
from cloche.bootstrap.plan import Plan, listen, make_plan
from cloche.bootstrap.repeating import repeat
from cloche.bootstrap.serving import Serving
from cloche.bootstrap.usage import MEASURE_SECONDS, UsageMeter
from cloche.bootstrap.workers import Rooms, Workers
from cloche.control.master_key import follow_file, master_keys
from cloche.engine.host import EngineHost
from cloche.engine.progress import Progress
from cloche.engine.pull import pull
from cloche.gateway.entity_table import EntityTable
from cloche.gateway.local_model import EngineModels
from cloche.settings import Settings, prepare_home
from cloche.store.database import Store
from cloche.store.errors import StoreUnreachable
from cloche.store.home_lock import HomeLock
from cloche.telemetry import setup_logging

log = logging.getLogger("cloche")


def serve(settings: Settings, progress: Progress) -> None:
    """Serve until a signal comes.

    Raises CannotStart, SettingsError, InvalidConfiguration, HomeInUse, PullFailed or StoreUnusable if it cannot.
    """
    setup_logging(settings.log_format, sys.stderr.buffer)
    plan = make_plan(settings)
    listener = listen(settings)
    try:
        prepare_home(settings)
        with HomeLock(settings.home):
            for name in plan.models:
                if plan.catalogue.find(name) is None:
                    pull(name, plan.catalogue, progress)
            store = opened(settings)
            follow_file(store, settings)
            serving = _in_one_process if settings.workers == 1 else _with_workers
            try:
                run_in_loop(lambda: serving(plan, store, listener))
            finally:
                store.close()
    finally:
        listener.close()


def run_in_loop(main: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a coroutine to its end, in the quickest loop that there is here."""
    try:
        import uvloop
    except ImportError:  # Windows has none; the standard loop serves as well, at about 1.2 times the cost
        asyncio.run(main())
    else:
        uvloop.run(main())


async def _in_one_process(plan: Plan, store: Store, listener: socket.socket) -> None:
    """Be the host and serve, in one loop."""

    async def announce() -> None:
        _welcome(plan, listener, await _admin_token(plan, serving))

    engines = engine_host(plan)
    models = EngineModels(engines, plan.settings.max_tokens_default)
    serving = Serving(plan, store, models)
    serving.totals.lines = EngineNewsRoom(engines, models, tuple).lines
    meter = UsageMeter()

    async def measure() -> None:
        serving.figures.usage = await asyncio.to_thread(meter.measure)

    measuring = asyncio.create_task(repeat(MEASURE_SECONDS, "measuring the host", measure), name="usage")
    try:
        async with _hosting(plan, serving, engines):
            await serving.run(listener, announce)
    finally:
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)


async def _with_workers(plan: Plan, store: Store, listener: socket.socket) -> None:
    """Be the host; others serve."""
    settings = plan.settings
    engines = engine_host(plan)
    models = EngineModels(engines, settings.max_tokens_default)
    host = Serving(plan, store, models)

    def names() -> Iterable[str]:
        return (
            name
            for endpoint in host.publisher.current().state.endpoints
            for version in (endpoint.active, endpoint.pending)
            if version is not None
            for name in version.configuration.local_models
        )

    keys = Handover(settings, master_keys(settings), store.sealed_token_key)
    table = EntityTable.fresh(settings.home, settings.workers)
    rooms = Rooms(EngineNewsRoom(engines, models, names), EntityLines(table))
    workers = Workers(settings.workers, keys, listener, rooms)

    host.publisher.published.append(workers.hour.keep_only)

    async def announce() -> None:
        first_token = await _admin_token(plan, host)
        await workers.follow_up(host.publisher.current().revision)
        _welcome(plan, listener, first_token)

    try:
        async with _hosting(plan, host, engines) as spending:
            workers.on_gone = spending.free
            await workers.run(announce)
    finally:
        table.close()


@contextlib.asynccontextmanager
async def _hosting(plan: Plan, serving: Serving, engines: EngineHost) -> AsyncIterator[BudgetKeeper]:
    """What every host does, whoever serves."""
    await asyncio.to_thread(come_up, serving.publisher, plan.settings)
    async with (
        hosting(plan, serving.publisher, engines) as spending,
        serving.following(Keeper(plan.settings, serving.publisher.store).keep),
    ):
        yield spending


async def _admin_token(plan: Plan, serving: Serving) -> str | None:
    """See to it that there is an admin token; its value if it had to be made.

    It is made last: nothing that could still fail stands between it and whoever is to read it.
    """
    try:
        return await asyncio.to_thread(serving.tokens.ensure_admin, plan.settings.admin_token)
    except StoreUnreachable:
        log.warning("the admin token is as it was: a changed one holds from the next start on")
        return None


def _welcome(plan: Plan, listener: socket.socket, first_token: str | None) -> None:
    declared = [endpoint.name for endpoint in plan.endpoints]
    welcome.say(welcome.url_of(plan.settings, listener), first_token, declared, pages=plan.settings.pages)
