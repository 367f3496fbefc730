"""How the server is doing, for the page that shows it and for `cloche health`.

The probe `/health` is another thing: it says that the process is alive and asks nothing.
"""

from __future__ import annotations

import cloche
from cloche.domain.endpoint import Update
from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.snapshot import Snapshot
from cloche.store.database import NEWEST
from cloche.wire import health as wire


def health(context: Context, request: ControlRequest) -> Answer:
    """Whether all is well; administrators are told of database, Valkey, home, engines and circuit breakers, and
    what is wrong."""
    snapshot = context.snapshot()
    endpoints = _endpoints(context, snapshot)
    details = _details(context, snapshot)
    told = wire.problems(details, endpoints)
    brief = wire.Health(
        status="degraded" if told else "ok",
        version=cloche.__version__,
        started_at=context.host.started_at,
        workers=context.host.workers,
        endpoints=endpoints,
    )
    return json(wire.whole(brief, details, told) if request.principal.admin else brief)


def _endpoints(context: Context, snapshot: Snapshot) -> wire.EndpointsHealth:
    """One that never served is not counted: it is its maker's affair."""
    serving = [each.endpoint for each in snapshot.endpoints.values() if each.endpoint.active is not None]
    return wire.EndpointsHealth(
        total=len(serving),
        ready=sum(context.status(endpoint).ready for endpoint in serving),
        failed=sum(each.endpoint.update is Update.UPDATE_FAILED for each in snapshot.endpoints.values()),
    )


def _details(context: Context, snapshot: Snapshot) -> wire.Details:
    latency = context.publisher.database_answers_in()
    totals = context.totals.all()
    valkey = context.host.valkey()
    return wire.Details(
        database=wire.DatabaseHealth(
            kind=context.host.database,
            reachable=latency is not None,
            latency_ms=None if latency is None else round(latency, 3),
            revision=snapshot.revision,
            schema=NEWEST,
        ),
        valkey=None if valkey is None else wire.ValkeyHealth(configured=True, reachable=valkey),
        home=wire.HomeHealth(*context.host.home()),
        engines=[
            _engine(context, name, totals.lines.get(name, (0, 0))) for name in sorted(snapshot.state.local_models())
        ],
        breakers=[
            wire.BreakerHealth(name, entity, state)
            for name, each in snapshot.endpoints.items()
            for entity, state in context.figures.circuits_of(each.endpoint.id).items()
        ],
        totals=totals,
    )


def _engine(context: Context, model: str, line: tuple[int, int]) -> wire.EngineHealth:
    state, message = context.models.condition(model)
    active, waiting = line
    return wire.EngineHealth(model, state, message, waiting, active)


ROUTES = (Row("GET", "/api/2.0/health", Needs.TOKEN, health, "cloche.health.details", gives=wire.Health),)
