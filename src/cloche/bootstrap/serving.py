"""One process that serves: its snapshot and what keeps it new, the gateway, the application and the server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources

from cloche.bootstrap.budget_keeper import host_id
from cloche.bootstrap.host import now_ms
from cloche.bootstrap.payload_writer import PayloadWriter
from cloche.bootstrap.plan import Plan
from cloche.bootstrap.repeating import repeat
from cloche.bootstrap.trace_writer import TraceWriter
from cloche.bootstrap.usage import resident_bytes
from cloche.bootstrap.usage_writer import SPOOL, UsageWriter
from cloche.control.audit import Audit
from cloche.control.budgets import Budgets as BudgetUses
from cloche.control.calls import Calls
from cloche.control.compiling import Compiler
from cloche.control.configuration import Configurations
from cloche.control.endpoints import Endpoints
from cloche.control.follow import Follower, Uses
from cloche.control.master_key import MasterKey
from cloche.control.models import Models
from cloche.control.oauth import OAuth
from cloche.control.oidc import Client, Issuer
from cloche.control.people import People
from cloche.control.permissions import Permissions
from cloche.control.publish import Publisher
from cloche.control.secret_scopes import SecretScopes
from cloche.control.sign_in import Issuers, SignIn
from cloche.control.status import Statuses
from cloche.control.tokens import Tokens
from cloche.control.usage import Usages, workspace_id
from cloche.control.versions import Versions
from cloche.domain.outbound import Send
from cloche.domain.state import State
from cloche.engine.pulls import Pull
from cloche.gateway.admission import Admission
from cloche.gateway.answer_cache import FOLDER as CACHE_FOLDER
from cloche.gateway.answer_cache import AnswerCache
from cloche.gateway.budget_counters import BudgetCounters
from cloche.gateway.budgets import Budgets
from cloche.gateway.coalescing import Flights
from cloche.gateway.counters import Counters
from cloche.gateway.credentials import Credentials
from cloche.gateway.entities import Entities
from cloche.gateway.fetching import Fetcher
from cloche.gateway.figures import Figures, HostFigures
from cloche.gateway.governor import Lasting
from cloche.gateway.judging import Trials
from cloche.gateway.kept_answers import FOLDER, KeptAnswers
from cloche.gateway.obtaining import HostAccess
from cloche.gateway.payloads import Payloads
from cloche.gateway.pipeline import Gateway
from cloche.gateway.probe import Prober
from cloche.gateway.recording import AtTurnsEnd, Recorder
from cloche.gateway.shared_counters import SharedCounters
from cloche.gateway.shared_line import Lines
from cloche.gateway.shared_money import SharedMoney
from cloche.gateway.totals import HostTotals
from cloche.gateway.tracking import Ledger
from cloche.gateway.valkey import Valkey
from cloche.http.app import App
from cloche.http.asgi_chat import AsgiChat
from cloche.http.context import Context, Host
from cloche.http.events import Events, Sources
from cloche.http.page_files import BUILT, Pages
from cloche.http.server import Server, ServerOptions
from cloche.http.shared import Lane
from cloche.providers.prices import PriceTable
from cloche.settings import environment
from cloche.snapshot import LocalModels, Slot, Snapshot
from cloche.store.database import Store
from cloche.store.errors import StoreUnreachable
from cloche.store.home_space import HomeWatch
from cloche.store.payload_archive import PayloadArchive
from cloche.store.payload_spool import SPOOL as PAYLOAD_SPOOL
from cloche.store.payload_spool import PayloadSpool
from cloche.store.payload_tables import PayloadTables
from cloche.store.usage_spool import UsageSpool
from cloche.telemetry import CallLog, CallRecord, call_lines
from cloche.upstream.client import Upstream

SWEEP_SECONDS = 300.0
"""Between two looks at the answers that are kept."""

TELL_SECONDS = 1.0
"""Between two looks at the budgets' thresholds that were reached."""


def _sweeping(*kept: KeptAnswers | AnswerCache) -> asyncio.Task[None]:
    """What forgets answers, until it is cancelled."""

    def sweep() -> None:
        for each in kept:
            each.sweep()

    return asyncio.create_task(repeat(SWEEP_SECONDS, "forgetting kept answers", lambda: asyncio.to_thread(sweep)))


class Serving:
    """Made in the event loop.  `models`: the local models, wherever their engines are.  `lines`: in front of served
    entities, where other processes take calls too.  `place`: which of the processes that serve this is."""

    def __init__(
        self, plan: Plan, store: Store, models: LocalModels, lines: Lines | None = None, place: int = 0
    ) -> None:
        self._plan = plan
        self._place = place
        self._store = store
        self._models = models
        self._started_at = now_ms()
        self._slot = Slot(Snapshot(0, {}, {}))
        prices = PriceTable(resources.files("cloche.providers").joinpath("prices.json").read_bytes())
        compiler = Compiler(store.sealer.open, models.handle, plan.timeouts, plan.upstream.reach, prices.of)
        self.publisher = Publisher(self._slot, store, compiler)
        self.admission = Admission(store.key)
        self.tokens = Tokens(self.publisher, now_ms)
        self._counted = Figures(self._slot)
        self.figures = HostFigures(self._counted)
        self.totals = HostTotals(self._slot)
        self._usages = Usages(store, self._slot.current)
        self._ledger = Ledger(self._slot, workspace_id(store.key))
        self._traces = TraceWriter(plan.settings, plan.traces, self._slot)
        self._entities = Entities(lines)
        self.figures.circuits = self._entities.circuits
        self.figures.entity_lines = lambda: self._entities.lines(self._slot.current())
        self.publisher.published += (self._entities.keep_only, self.totals.keep_only, self.figures.keep_only)

    @contextlib.asynccontextmanager
    async def following(self, keep: Callable[[State], None] | None = None) -> AsyncIterator[None]:
        """Stay at the newest state while the block lasts.  `keep`: takes each, to be kept for an outage."""
        uses = Uses(self.admission.used, self.tokens.note_used)
        follower = Follower(self.publisher, self._store.changes(), uses, keep)
        follower.start()
        try:
            yield
        finally:
            await asyncio.to_thread(follower.stop)

    async def run(self, listener: socket.socket, on_started: Callable[[], Awaitable[None]]) -> None:
        """Serve until a signal comes; `on_started` is awaited once connections are taken."""
        call_log = CallLog(sys.stderr.buffer, asyncio.get_running_loop())
        upstream = Upstream(self._plan.upstream)
        settings = self._plan.settings
        valkey: Valkey | None = None
        if settings.valkey_url is not None:
            valkey = Valkey(settings.valkey_url, refuses=settings.valkey_down == "refuse")
        counters = Counters.of_home(settings.home, alone=settings.workers == 1)
        answers = KeptAnswers(settings.home / FOLDER)
        cache = AnswerCache(settings.home / CACHE_FOLDER, self._slot)
        flights = Flights()
        sweeping = _sweeping(answers, cache)
        writer = UsageWriter(self._ledger, self._usages, UsageSpool(self._plan.settings.home / SPOOL))
        payloads = Payloads(settings.payload_max_bytes)
        keeping = PayloadWriter(payloads, PayloadSpool(settings.home / PAYLOAD_SPOOL))
        self.totals.counters = lambda: {
            "cloche_usage_rows_lost_total": writer.lost,
            "cloche_payload_rows_lost_total": keeping.lost,
            "cloche_log_lines_lost_total": call_log.lost,
            "cloche_cache_hits_total": cache.hits,
            "cloche_cache_misses_total": cache.misses,
            "cloche_coalesced_calls_total": flights.joined,
            "cloche_spans_sent_total": self._traces.sent,
            "cloche_traced_calls_lost_total": self._traces.lost,
        }
        self.totals.gauges = lambda: {
            "cloche_upstream_calls": upstream.active,
            "cloche_upstream_idle_connections": upstream.idle,
            "cloche_usage_rows_waiting": len(self._ledger),
            "cloche_payload_rows_waiting": len(payloads),
            "cloche_spooling_writers": int(writer.spools),
            "cloche_stuck_writers": writer.stuck + keeping.stuck,
            "cloche_resident_memory_bytes": resident_bytes(),
        }
        writer.start()
        keeping.start()
        self._traces.start(upstream.send)
        try:
            async with self._budgeting(valkey) as (budgets, money):
                shared = None if valkey is None else SharedCounters(valkey)
                tracer = self._traces.tracer
                lasting = Lasting(
                    counters, self._entities, shared, payloads, answers, cache, flights, tracer, budgets, money
                )
                server = self._server(self._sender(upstream), call_log, lasting)
                # What start-up made stays: the collector need not look at it again, and calls leave no cycles behind.
                gc.collect()
                gc.freeze()
                await server.run_on(listener, on_started)
        finally:
            await self._traces.stop()
            await upstream.close()
            sweeping.cancel()
            await asyncio.wait([sweeping])  # by the end of this turn, what has ended is recorded
            await asyncio.to_thread(writer.stop)
            await asyncio.to_thread(keeping.stop)
            call_log.close()
            counters.close()

    @contextlib.asynccontextmanager
    async def _budgeting(self, valkey: Valkey | None) -> AsyncIterator[tuple[Budgets, SharedMoney | None]]:
        """Count what calls cost while the block lasts, and tell what thresholds were reached, a second late at most.
        `valkey`: where it is counted over all hosts, started here: first of all it is told what is held."""
        settings = self._plan.settings
        counters = BudgetCounters.of_home(settings.home, settings.workers, self._place)
        budgets = Budgets(counters)
        money: SharedMoney | None = None
        if valkey is not None:
            money = SharedMoney(valkey, counters, workspace_id(self._store.key), host_id(settings.home))
            await valkey.start()
        self._spending = BudgetUses(self.publisher, budgets.spent, now_ms)

        async def tell() -> None:
            alerts = [budgets.alerts.popleft() for _ in range(len(budgets.alerts))]
            try:
                if alerts:
                    await asyncio.to_thread(self._spending.tell, alerts)
            except StoreUnreachable:
                budgets.alerts.extendleft(reversed(alerts))

        telling = asyncio.create_task(repeat(TELL_SECONDS, "telling of budgets", tell))
        try:
            yield budgets, money
        finally:
            if valkey is not None:
                await valkey.stop()
            telling.cancel()
            await asyncio.wait([telling])
            await tell()
            counters.close()

    def _sender(self, upstream: Upstream) -> Send:
        """How calls are begun: with the credentials that they need."""
        host = HostAccess(environment() if self._plan.settings.allow_host_credentials else None)
        return Credentials(upstream.send, host).send

    def _server(self, send: Send, call_log: CallLog, lasting: Lasting) -> Server:
        settings = self._plan.settings
        lines = call_lines(settings.log_format)
        note, add_up = self._counted.note, self.totals.note

        def take(call: CallRecord) -> None:
            note(call)
            add_up(call)
            call_log.take(lines(call))

        def record(call: CallRecord) -> None:
            take(call)
            call_log.flush_soon()

        recorder = Recorder(take, self._ledger, lasting.payloads)
        on_call_end = AtTurnsEnd(recorder, call_log.flush, asyncio.get_running_loop())
        gateway = Gateway(self._slot, self.admission, send, on_call_end, lasting)
        self.figures.running = gateway.running
        context = self._context(send, lasting.shared, gateway)
        app = App(context, AsgiChat(gateway, settings.max_body), record)
        lane = Lane(gateway, record, max_body=settings.max_body, read_seconds=settings.request_read_seconds)
        options = ServerOptions(
            keep_alive=settings.keep_alive_seconds,
            drain=settings.drain_seconds,
            lane=settings.lane,
            tls=self._plan.tls,
            on_drain=context.events.close,
        )
        return Server(app, lane, gateway, options)

    def _archive(self) -> PayloadArchive:
        """Where payloads are found again."""
        settings = self._plan.settings
        spool = PayloadSpool(settings.home / PAYLOAD_SPOOL)
        return PayloadArchive(spool, PayloadTables.at(settings.tables_url, settings.home))

    def _context(self, send: Send, shared: SharedCounters | None, gateway: Gateway) -> Context:
        oauth = OAuth(self.publisher, now_ms)
        publisher, settings, loop = self.publisher, self._plan.settings, asyncio.get_running_loop()

        def valkey() -> bool | None:
            return None if shared is None else asyncio.run_coroutine_threadsafe(shared.valkey.answers(), loop).result()

        status = Statuses(self._models, publisher.current, self.figures.circuits_of).of
        calls = Calls(self._store, self._slot.current, self._archive())
        models = Models(publisher, self._plan.catalogue, settings.home, now_ms)

        def pulls() -> dict[str, Pull]:
            return {each.id: each for each in models.pulls()}

        return Context(
            publisher=publisher,
            admission=self.admission,
            tokens=self.tokens,
            status=status,
            models=self._models,
            workspace_id=workspace_id(self._store.key),
            secret_scopes=SecretScopes(publisher, now_ms),
            master_key=MasterKey(publisher, now_ms),
            audit=Audit(self._store),
            usages=self._usages,
            budgets=self._spending,
            calls=calls,
            figures=self.figures,
            totals=self.totals,
            people=People(publisher, now_ms),
            oauth=oauth,
            sign_in=self._sign_in(oauth, send),
            permissions=Permissions(publisher, now_ms),
            public_url=settings.public_url,
            endpoints=Endpoints(publisher, now_ms, self._plan.model_problem),
            versions=Versions(publisher, now_ms, self._plan.model_problem),
            configurations=Configurations(publisher, now_ms, self._plan.model_problem),
            probe=Prober(send, loop),
            pages=Pages(BUILT if settings.pages else None).answer,
            host_models=models,
            events=Events(Sources(publisher.current, status, calls, pulls)),
            host=Host(
                started_at=self._started_at,
                workers=settings.workers,
                database="sqlite" if settings.database_url is None else "postgresql",
                valkey=valkey,
                home=HomeWatch(settings.home).look,
            ),
            judge=Trials(gateway, loop),
        )

    def _sign_in(self, oauth: OAuth, send: Send) -> SignIn:
        settings = self._plan.settings
        issuer = None
        if settings.oidc_issuer is not None and settings.oidc_client_id is not None:
            secret, scopes = settings.oidc_client_secret, settings.oidc_scopes
            client = Client(settings.oidc_issuer, settings.oidc_client_id, secret, scopes)
            issuer = Issuer(client, Fetcher(send))
        return SignIn(self.publisher, oauth, now_ms, Issuers(issuer, settings.oidc_create_users))
