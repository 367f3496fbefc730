"""Trying the external models of an endpoint that is there: whether their providers answer, and why not."""

from __future__ import annotations

from cloche.domain.errors import BadRequest
from cloche.gateway import routing
from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import serving_input, serving_reading


def probe(context: Context, request: ControlRequest) -> Answer:
    """Send a short call through each external model of an endpoint, or through one, and tell what came of it."""
    name = request.path["name"]
    wanted = serving_reading.read(serving_reading.parsed(request.body), serving_input.ProbeInput).served_entity_name
    compiled = routing.find(context.snapshot(), name)
    target = routing.choose(compiled, wanted, 0)  # says why the endpoint cannot be called, or has no such entity
    targets = list(compiled.targets.values()) if wanted is None else [target]
    if all(each.local is not None for each in targets):
        raise BadRequest(f"The endpoint '{name}' has no external model there: a local one needs no credentials.")
    context.endpoints.note_probe(request.caller, name, wanted)
    return json({"probes": context.probe(targets)})


ROUTES = (
    Row(
        "POST",
        "/api/2.0/serving-endpoints/{name}/probe",
        Needs.MANAGE,
        probe,
        "cloche.endpoints.probe",
        serving_input.ProbeInput,
    ),
)
