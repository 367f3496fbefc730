"""Calls of endpoints that have gateway rules, in the order of the rules: who may, what may be said, whom to ask.

What lasts longer than a call, counts and states of this process, is held here.  A call of an endpoint without rules
never comes by.  Must not know how a rule is written.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import NamedTuple

from cloche.domain.ai_gateway import AiGateway
from cloche.domain.endpoint import EMBEDDINGS_TASK
from cloche.domain.outbound import Send
from cloche.gateway import asking, balancing, guarding, routing
from cloche.gateway.answer_cache import AnswerCache, Cached
from cloche.gateway.asking import Request
from cloche.gateway.attempts import Attempts, Errand
from cloche.gateway.budgets import Budgets
from cloche.gateway.call import Call
from cloche.gateway.coalescing import Flights, is_deterministic
from cloche.gateway.counters import Counters
from cloche.gateway.entities import Entities
from cloche.gateway.hedging import Race
from cloche.gateway.judged_answer import JudgedAnswer
from cloche.gateway.judging import Begin, Judgement
from cloche.gateway.kept_answers import KeptAnswers
from cloche.gateway.limits import Limits
from cloche.gateway.payloads import Payloads, log_payloads
from cloche.gateway.sameness import question
from cloche.gateway.shared_budgets import SharedBudgets
from cloche.gateway.shared_counters import SharedCounters
from cloche.gateway.shared_limits import SharedLimits
from cloche.gateway.shared_money import SharedMoney
from cloche.gateway.tracing import Tracer
from cloche.gateway.tracking import track
from cloche.guardrails.inspecting import Brief, Verdict
from cloche.snapshot import CompiledEndpoint, Slot
from cloche.wire import judging


class Lasting(NamedTuple):
    """What outlives calls and configurations.  `counters`: of rate limits.  `entities`: how those that are asked do.
    `shared`: counters of all hosts, where there are some.  `payloads`: calls on their way to inference tables.
    `answers`: to calls that have an idempotency key.  `cache`: of endpoints that give answers again.  `flights`: calls
    that others may join.  `tracer`: chooses calls of which spans are made.  `budgets`: what calls may cost; `money`: of
    all hosts, where it is counted."""

    counters: Counters
    entities: Entities
    shared: SharedCounters | None = None
    payloads: Payloads | None = None
    answers: KeptAnswers | None = None
    cache: AnswerCache | None = None
    flights: Flights | None = None
    tracer: Tracer | None = None
    budgets: Budgets | None = None
    money: SharedMoney | None = None


class Governor:
    """`slot`: the snapshot in force.  `send`: how calls are begun.  `judge`: how cloche's own are."""

    def __init__(self, slot: Slot, send: Send, lasting: Lasting, judge: Begin) -> None:
        self._send = send
        self._judge = judge
        self._limits = Limits(slot, lasting.counters)
        self._shared = None if lasting.shared is None else SharedLimits(self._limits, lasting.shared)
        self._entities = lasting.entities
        self._payloads = lasting.payloads
        self._cache = lasting.cache
        self._budgets = lasting.budgets
        self._shared_budgets = None
        if lasting.budgets is not None and lasting.money is not None:
            self._shared_budgets = SharedBudgets(lasting.budgets, lasting.money)
        self._flights = lasting.flights

    def begin(self, call: Call, request: Request, compiled: CompiledEndpoint, entity: str | None) -> None:
        """Ask by the endpoint's rules.  `entity`: the only one that may be asked, if the caller names it.  A Problem if
        a rule forbids it, or the first target cannot be asked that."""
        rules = compiled.rules
        assert rules is not None
        self._note(call, request, compiled, rules)
        if rules.rate_limits:
            if self._shared is not None:
                counted = functools.partial(self._counted, call, request, compiled, entity)
                self._shared.reserve(call, request, compiled, counted)
                return
            self._limits.reserve(call, request, compiled)
        self._counted(call, request, compiled, entity)

    def note_replay(self, call: Call, request: Request, compiled: CompiledEndpoint) -> None:
        """The call gets an earlier answer, of whatever endpoint: have it in the tables, where its endpoint wants that.
        Nothing else is to be done for it, because nobody is asked."""
        if compiled.rules is None:
            return
        self._note(call, request, compiled, compiled.rules)
        if call.logged is not None and call.logged.request is None and compiled.guards is not None:
            call.logged.request = guarding.passed(request, compiled.guards)

    def _note(self, call: Call, request: Request, compiled: CompiledEndpoint, rules: AiGateway) -> None:
        """Have the call in the tables, once it has ended."""
        if rules.logs_payloads and self._payloads is not None:
            log_payloads(call, request, compiled, self._payloads.limit)
        elif rules.tracks_usage:
            track(call, request, compiled.endpoint)

    def _counted(self, call: Call, request: Request, compiled: CompiledEndpoint, entity: str | None) -> None:
        """There is room for the call in the limits."""
        if compiled.budgets and self._budgets is not None:
            if self._shared_budgets is not None:
                held = functools.partial(self._held, call, request, compiled, entity)
                self._shared_budgets.reserve(call, request, compiled, held)
                return
            self._budgets.reserve(call, request, compiled)
        self._held(call, request, compiled, entity)

    def _held(self, call: Call, request: Request, compiled: CompiledEndpoint, entity: str | None) -> None:
        """There is money for the call."""
        rules = compiled.rules
        assert rules is not None
        cached = self._cache.begin(call, compiled) if rules.caches and self._cache is not None else None
        if compiled.guards is not None:
            admitted = guarding.admit(call, request, compiled.guards)
            if admitted is None:
                return
            request = admitted
            review = compiled.guards.asked
            brief = None if review is None else review.brief
            if call.logged is not None and not compiled.guards.finds_more:
                call.logged.request = request
            if brief is not None:
                self._have_judged(brief, call, request, lambda it: self._start(call, it, compiled, entity, cached))
                return
        self._start(call, request, compiled, entity, cached)

    def _have_judged(self, brief: Brief, call: Call, request: Request, go_on: Callable[[Request], None]) -> None:
        """Ask a judge about what is asked, and go on if it may be, without the personal data that it has found."""

        def judged(verdict: Verdict) -> None:
            call.source = None
            allowed = guarding.by_verdict(call, request, brief, verdict)
            if allowed is None:
                return
            if call.logged is not None:
                call.logged.request = allowed
            go_on(allowed)

        judgement = Judgement(brief, judging.asked(request), lambda verdict: call.guard(judged, verdict))
        call.source = judgement
        judgement.ask(self._judge, call.grant, call.id)

    def _start(
        self, call: Call, request: Request, compiled: CompiledEndpoint, entity: str | None, cached: Cached | None
    ) -> None:
        """It may be asked: find an answer."""
        rules = compiled.rules
        assert rules is not None
        if cached is not None and cached.answer(request, entity):
            return
        if compiled.guards is not None and compiled.guards.answered is not None and call.task != EMBEDDINGS_TASK:
            call = JudgedAnswer(call, request, compiled.guards, self._judge).call
            # Nobody is above this call: it ends by itself, and the real one with it.
            call.guard(self._share, call, request, compiled, entity)
        else:
            self._share(call, request, compiled, entity)

    def _share(self, call: Call, request: Request, compiled: CompiledEndpoint, entity: str | None) -> None:
        """Ask together with others who ask the same, if the rules want that."""
        rules = compiled.rules
        assert rules is not None
        if rules.coalesces and self._flights is not None and is_deterministic(request):
            assert call.grant is not None
            asked = question(call, request, compiled, entity, whose=call.grant.principal.id)
            if not self._flights.join(call, asked):
                ask = functools.partial(self._attempt, request=request, compiled=compiled, entity=entity)
                self._flights.begin(call, asked, ask)
            return
        self._attempt(call, request, compiled, entity)

    def _attempt(self, call: Call, request: Request, compiled: CompiledEndpoint, entity: str | None) -> None:
        """Ask somebody."""
        rules = compiled.rules
        assert rules is not None
        known = self._entities.of(compiled)
        if known.candidates and entity is None:
            key = routing.sticky_key(rules, call, request)
            first = balancing.first(known, key, time.perf_counter(), random.random)
        else:
            first = routing.choose(compiled, entity, random.random())  # noqa: S311 (a traffic split)
        if known.ask_once:
            asking.ask(call, request, first, self._send)
            return
        targets = (first,) if entity is not None else (first, *routing.others(compiled, first))
        hedged = rules.hedging_config is not None and len(targets) > 1
        errand = Errand(request, rules, targets, known.standings)
        (Race if hedged else Attempts)(call, errand).start(self._send)
