"""Figures for scrapers: of one endpoint, as Databricks has them, and of everything on this host."""

from __future__ import annotations

import time

from cloche.gateway import routing
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import exposition, metrics

_TEXT = "text/plain; version=0.0.4"


def export_metrics(context: Context, request: ControlRequest) -> Answer:
    """The last minute of an endpoint on this host, as text.  Databricks has none for foundation models; their engines
    run here, so there is something to tell."""
    endpoint = routing.find(context.snapshot(), request.path["name"]).endpoint
    figures = context.figures
    now_ms = time.time_ns() // 1_000_000
    text = metrics.render(endpoint.name, endpoint.id, figures.of(endpoint.id), figures.usage, now_ms)
    return Answer(text.encode(), media_type=_TEXT)


def export_all(context: Context, request: ControlRequest) -> Answer:
    """Everything that this host counts, all workers together, for Prometheus."""
    snapshot = context.snapshot()
    told = context.figures.all()
    minutes = {name: told.get(each.endpoint.id, metrics.Minute()) for name, each in snapshot.endpoints.items()}
    conditions = {name: context.models.condition(name).deployment for name in sorted(snapshot.state.local_models())}
    text = exposition.render(context.totals.all(), minutes, conditions, context.figures.entity_lines())
    return Answer(text.encode(), media_type=_TEXT)


ROUTES = (
    Row("GET", "/metrics", Needs.ADMIN, export_all, "cloche.metrics", media_type=_TEXT),
    Row(
        "GET",
        "/api/2.0/serving-endpoints/{name}/metrics",
        Needs.VIEW,
        export_metrics,
        "serving_endpoints.export_metrics",
        media_type=_TEXT,
    ),
)
