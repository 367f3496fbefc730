"""What a served entity's engine has said, and what was said while its versions were brought up."""

from __future__ import annotations

from datetime import UTC, datetime

from cloche.domain.endpoint import Endpoint, ServedEntity
from cloche.domain.errors import EndpointNotFound
from cloche.gateway import routing
from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row

_MODEL = "/api/2.0/serving-endpoints/{name}/served-models/{entity}"


def server_logs(context: Context, request: ControlRequest) -> Answer:
    """The last lines of a local entity's engine; an external one has no server here, and tells of its versions."""
    endpoint, entity = _entity(context, request)
    if entity.entity_name is None:
        return json({"logs": _build_log(context, endpoint, entity)})
    return json({"logs": context.models.log(entity.entity_name)})


def build_logs(context: Context, request: ControlRequest) -> Answer:
    """What was said while the versions with an entity were brought up."""
    endpoint, entity = _entity(context, request)
    return json({"logs": _build_log(context, endpoint, entity)})


def _entity(context: Context, request: ControlRequest) -> tuple[Endpoint, ServedEntity]:
    """The entity of the active version, or else of the pending one.  EndpointNotFound."""
    endpoint = routing.find(context.snapshot(), request.path["name"]).endpoint
    wanted = request.path["entity"]
    for version in (endpoint.active, endpoint.pending):
        for entity in () if version is None else version.configuration.entities:
            if entity.name == wanted:
                return endpoint, entity
    raise EndpointNotFound(f"The endpoint '{endpoint.name}' has no served entity '{wanted}'.")


def _build_log(context: Context, endpoint: Endpoint, entity: ServedEntity) -> str:
    with context.publisher.store.read() as work:
        lines = work.endpoints.build_log(endpoint.id, entity.name)
    return "".join(f"{_time(each.at)} version {each.version}: {each.line}\n" for each in lines)


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


ROUTES = (
    Row("GET", f"{_MODEL}/logs", Needs.VIEW, server_logs, "serving_endpoints.logs"),
    Row("GET", f"{_MODEL}/build-logs", Needs.VIEW, build_logs, "serving_endpoints.build_logs"),
)
