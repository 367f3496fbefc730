"""What would be sent upstream for a call, without sending it."""

from __future__ import annotations

import msgspec

from cloche.gateway import routing
from cloche.gateway.preview import preview
from cloche.http.answers import decoded, json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import upstream_request as wire
from cloche.wire.summaries import LOCAL


def show(context: Context, request: ControlRequest) -> Answer:
    """What a call would send to its provider or engine, keys hidden, with the translation report.  Nothing is sent."""
    asked = decoded(request.body, wire.PreviewInput)
    compiled = routing.find(context.snapshot(), request.path["name"])
    made = preview(compiled, asked.entity, msgspec.json.encode(asked.body))
    entities = compiled.endpoint.newest.configuration.entities
    models = {each.name: each.external_model for each in entities}
    model = models.get(made.target.entity)
    provider = LOCAL if model is None else model.provider
    return json(wire.upstream_request(made.target.entity, provider, made.call, made.translation))


ROUTES = (
    Row(
        "POST",
        "/api/2.0/serving-endpoints/{name}/upstream-request",
        Needs.QUERY,
        show,
        "cloche.endpoints.upstream_request",
        wire.PreviewInput,
        wire.UpstreamRequest,
    ),
)
