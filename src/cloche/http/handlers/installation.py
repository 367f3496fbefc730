"""What the server says of itself, to anybody or to whoever has a token."""

from __future__ import annotations

import msgspec

from cloche.domain.errors import NotReady
from cloche.gateway.admission import visible
from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import serving


async def health(context: Context, request: ControlRequest) -> Answer:
    """The process is alive."""
    return json({"status": "ok"})


async def ready(context: Context, request: ControlRequest) -> Answer:
    """Whether a query would work: 503 as long as an endpoint cannot serve.  How many, but no names: anybody may ask."""
    # One that never served is its maker's affair: a mistake of theirs must not take this server out of a cluster.
    endpoints = [each.endpoint for each in context.snapshot().endpoints.values() if each.endpoint.active is not None]
    waiting = sum(not context.status(endpoint).ready for endpoint in endpoints)
    if not waiting:
        return json({"status": "ok", "not_ready": 0})
    message = f"{waiting} of {len(endpoints)} endpoints cannot serve now"
    error = {"error_code": NotReady.code, "message": message, "status": "not ready", "not_ready": waiting}
    return Answer(msgspec.json.encode(error), NotReady.status, (("retry-after", "1"),))


async def host_metadata(context: Context, request: ControlRequest) -> Answer:
    """What the Databricks SDK asks first, without a token."""
    return json({"workspace_id": context.workspace_id, "oidc_endpoint": f"{context.base_url(request)}/oidc"})


def list_models(context: Context, request: ControlRequest) -> Answer:
    """The endpoints that the caller may see, as the OpenAI client lists models."""
    return json(serving.model_list(visible(request.principal, context.snapshot())))


ROUTES = (
    Row("GET", "/health", Needs.PUBLIC, health, "cloche.health"),
    Row("GET", "/ready", Needs.PUBLIC, ready, "cloche.ready"),
    Row("GET", "/.well-known/databricks-config", Needs.PUBLIC, host_metadata, "host_metadata"),
    Row("GET", "/serving-endpoints/models", Needs.TOKEN, list_models, "openai.models.list"),
)
