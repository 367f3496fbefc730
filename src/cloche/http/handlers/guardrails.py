"""Trying a text on the guardrails of an endpoint, or on rules that nobody has yet: nobody is asked, nothing is kept."""

from __future__ import annotations

from cloche.gateway import routing
from cloche.guardrails.bench import Trial, tried
from cloche.guardrails.guard import guard_of
from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import gateway_config, serving_reading
from cloche.wire.guardrail_test import GuardrailTest


def try_text(context: Context, request: ControlRequest) -> Answer:
    """Tell what would become of a text on one side of a call, and what personal data is in it."""
    asked = serving_reading.read(serving_reading.parsed(request.body), GuardrailTest)
    if asked.guardrails is not None:
        gateway_config.check_keywords(asked.guardrails, "guardrails")
        return json(tried(asked.text, guard_of(asked.guardrails)))
    guards = routing.find(context.snapshot(), request.path["name"]).guards
    return json(tried(asked.text, None if guards is None else getattr(guards, asked.side)))


ROUTES = (
    Row(
        "POST",
        "/api/2.0/serving-endpoints/{name}/guardrails/test",
        Needs.QUERY,
        try_text,
        "cloche.guardrails.test",
        GuardrailTest,
        Trial,
    ),
)
