"""What exists once for each home: the engines, whoever brings endpoints up, and what was declared for this start."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

from cloche.bootstrap.budget_keeper import BudgetKeeper
from cloche.bootstrap.plan import CannotStart, Plan
from cloche.bootstrap.repeating import repeat
from cloche.bootstrap.table_keeper import TableKeeper
from cloche.bootstrap.valkey_teller import ValkeyTeller
from cloche.control.configuration import Configurations
from cloche.control.declared import InvalidConfiguration
from cloche.control.deploy import Deployer
from cloche.control.endpoints import Endpoints
from cloche.control.publish import Publisher
from cloche.control.usage import Usages, workspace_id
from cloche.domain.access import ADMIN, ADMIN_ID, ADMINS_ID, Caller, Principal
from cloche.domain.errors import InvalidFields, Problem
from cloche.engine.host import EngineHost
from cloche.settings import Settings
from cloche.store.errors import StoreUnreachable
from cloche.store.payload_spool import SPOOL, PayloadSpool
from cloche.store.payload_tables import PayloadTables

AT_START = Caller(Principal(ADMIN_ID, ADMIN, admin=True, may_create=True, groups=frozenset({ADMINS_ID})), "start")
"""Who makes the changes that the settings ask for."""

APPLY_AGAIN_SECONDS = 2.0
DAY_SECONDS = 86_400
log = logging.getLogger("cloche")


def now_ms() -> int:
    """The clock of every use-case."""
    return time.time_ns() // 1_000_000


def engine_host(plan: Plan) -> EngineHost:
    """The engines of this host, none of them loaded yet.  Needs the loop, and the home's lock."""
    settings = plan.settings
    return EngineHost(plan.catalogue, plan.engine, settings.home / "run", settings.engine_idle_seconds, now_ms)


@contextlib.asynccontextmanager
async def hosting(plan: Plan, publisher: Publisher, engines: EngineHost) -> AsyncIterator[BudgetKeeper]:
    """Be the host: what is declared is applied and serves when the block begins; engines end with it.  Gives what keeps
    the spending of all who serve.

    Raises CannotStart where a declared endpoint cannot serve.  Others that cannot are told of in the log.
    """
    deployer = Deployer(publisher, Endpoints(publisher, now_ms, plan.model_problem), engines, now_ms)
    background = [] if await _applied(plan, publisher) else [asyncio.create_task(_apply_later(plan, publisher))]
    background.append(asyncio.create_task(deployer.run(), name="deployer"))
    days = plan.settings.usage_retention_days
    if days is not None:
        usages = Usages(publisher.store, publisher.current)
        background.append(asyncio.create_task(repeat(DAY_SECONDS, "forgetting usage", lambda: _forget(usages, days))))
    settings = plan.settings
    tables = PayloadTables.at(settings.tables_url, settings.home)
    keeper = TableKeeper(PayloadSpool(settings.home / SPOOL), tables, settings.payload_retention_days)
    keeper.start()
    spending = _budget_keeper(settings, publisher)
    await asyncio.to_thread(spending.start)
    try:
        obstacles = await deployer.settled(endpoint.name for endpoint in plan.endpoints)
        if obstacles:
            raise CannotStart("\n".join(obstacles))
        yield spending
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await engines.close()
        await asyncio.to_thread(keeper.stop)
        await asyncio.to_thread(spending.stop)


def _budget_keeper(settings: Settings, publisher: Publisher) -> BudgetKeeper:
    told = None
    if settings.valkey_url is not None:
        told = ValkeyTeller(settings.valkey_url, workspace_id(publisher.store.key))
    there_are = lambda: bool(publisher.current().state.budgets)  # noqa: E731
    return BudgetKeeper(settings.home, publisher.store, there_are, settings.workers, told)


async def _applied(plan: Plan, publisher: Publisher) -> bool:
    """Apply what is declared; false while the database does not answer."""
    try:
        await asyncio.to_thread(_apply, plan, publisher)
    except StoreUnreachable:
        log.warning("what is declared for this start is applied once the database answers")
        return False
    return True


async def _apply_later(plan: Plan, publisher: Publisher) -> None:
    """Try again until the database answers."""
    while True:
        await asyncio.sleep(APPLY_AGAIN_SECONDS)
        try:
            await asyncio.to_thread(_apply, plan, publisher)
        except StoreUnreachable:
            continue
        except (Problem, InvalidConfiguration) as problem:
            log.error("what is declared for this start cannot be applied: %s", problem)
        return


async def _forget(usages: Usages, days: int) -> None:
    """Forget what is too old; tomorrow, if the database does not answer."""
    with contextlib.suppress(StoreUnreachable):
        forgotten = await asyncio.to_thread(usages.prune, now_ms() - days * DAY_SECONDS * 1000)
        if forgotten:
            log.info("%d rows of usage are older than %d days and forgotten", forgotten, days)


def _apply(plan: Plan, publisher: Publisher) -> None:
    try:
        Configurations(publisher, now_ms, plan.model_problem).apply(AT_START, plan.endpoints)
    except InvalidFields as error:
        raise InvalidConfiguration(_told(plan, field, what) for field, what in error.details) from None


def _told(plan: Plan, field: str, what: str) -> str:
    """A fault of `endpoints[INDEX].FIELD`, at its place in the files or settings."""
    index, _, path = field.removeprefix("endpoints[").partition("].")
    return plan.declared.told(int(index), path, what)
