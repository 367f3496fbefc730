"""Serving endpoints: the routes of the Databricks API, and those for versions."""

from __future__ import annotations

from cloche.domain.access import Level, level_of
from cloche.gateway import routing
from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import serving


def list_endpoints(context: Context, request: ControlRequest) -> Answer:
    """Every endpoint that the caller may see, in short."""
    visible = [
        compiled.endpoint
        for compiled in context.snapshot().endpoints.values()
        if level_of(request.principal, compiled.levels) is not None
    ]
    return json(serving.endpoint_list((endpoint, context.status(endpoint)) for endpoint in visible))


def get_endpoint(context: Context, request: ControlRequest) -> Answer:
    """One endpoint."""
    compiled = routing.find(context.snapshot(), request.path["name"])
    level = level_of(request.principal, compiled.levels) or Level.CAN_VIEW
    endpoint = compiled.endpoint
    return json(serving.endpoint_document(endpoint, context.status(endpoint), permission_level=level.name))


ROUTES = (
    Row("GET", "/api/2.0/serving-endpoints", Needs.TOKEN, list_endpoints, "serving_endpoints.list"),
    Row("GET", "/api/2.0/serving-endpoints/{name}", Needs.VIEW, get_endpoint, "serving_endpoints.get"),
)
