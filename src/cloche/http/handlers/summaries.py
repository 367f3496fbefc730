"""Many endpoints at a glance, and one minute by minute: what was counted on this host in the last hour."""

from __future__ import annotations

from cloche.domain.access import level_of
from cloche.domain.endpoint import Endpoint
from cloche.gateway import routing
from cloche.gateway.admission import visible
from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import series, summaries


def list_summaries(context: Context, request: ControlRequest) -> Answer:
    """The endpoints that the caller may see, in one line each, with the calls and errors of their last hour on this
    host."""
    principal, snapshot, figures = request.principal, context.snapshot(), context.figures
    asked = summaries.read_query(request.query, principal.name)

    def ready(endpoint: Endpoint) -> bool:
        return endpoint.active is not None and context.status(endpoint).ready

    found = [each for each in visible(principal, snapshot) if summaries.wanted(asked, each, ready)]
    page = summaries.in_order(asked, found, figures.calls_of)[asked.offset : asked.offset + asked.limit]
    shown = []
    for endpoint in page:
        level = level_of(principal, snapshot.endpoints[endpoint.name].levels)
        assert level is not None, "it is visible"
        hour = figures.hour_of(endpoint.id)
        shown.append(summaries.summary(endpoint, hour, ready=ready(endpoint), level=level.name))
    end = asked.offset + len(page)
    return json(summaries.Summaries(shown, len(found), str(end) if end < len(found) else None))


def get_series(context: Context, request: ControlRequest) -> Answer:
    """An endpoint's calls on this host, minute by minute."""
    minutes = series.read_minutes(request.query)
    endpoint = routing.find(context.snapshot(), request.path["name"]).endpoint
    return json(series.series(context.figures.hour_of(endpoint.id)[-minutes:]))


ROUTES = (
    Row(
        "GET",
        "/api/2.0/endpoint-summaries",
        Needs.TOKEN,
        list_summaries,
        "cloche.endpoints.summaries",
        gives=summaries.Summaries,
        query=summaries.QUERY,
    ),
    Row(
        "GET",
        "/api/2.0/serving-endpoints/{name}/series",
        Needs.VIEW,
        get_series,
        "cloche.endpoints.series",
        gives=series.Series,
        query=series.QUERY,
    ),
)
