"""Trying a text on the guardrails of an endpoint, or on rules that nobody has yet: nothing is kept, and nobody is asked
but the judge, if the rules name one."""

from __future__ import annotations

import functools

from cloche.domain.access import Level
from cloche.domain.errors import InvalidFields
from cloche.gateway import routing
from cloche.gateway.admission import check_level
from cloche.guardrails.bench import Trial, tried
from cloche.guardrails.guard import guard_of
from cloche.guardrails.inspecting import Said, review_of
from cloche.http.answers import json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import gateway_config, serving_reading
from cloche.wire.guardrail_test import GuardrailTest


def try_text(context: Context, request: ControlRequest) -> Answer:
    """Tell what would become of a text on one side of a call, by which rule, and what personal data is in it."""
    asked = serving_reading.read(serving_reading.parsed(request.body), GuardrailTest)
    snapshot = context.snapshot()
    if asked.guardrails is not None:
        gateway_config.check_side(asked.guardrails, asked.side, asked.judge)
        if asked.judge is not None and request.grant is not None:
            judge = routing.find(snapshot, asked.judge.endpoint_name)
            check_level(request.grant, judge, Level.CAN_QUERY)
        guard = guard_of(asked.guardrails, asked.judge)
        review = review_of(asked.guardrails, asked.judge, of_answer=asked.side == "output")
    elif asked.judge is not None:
        raise InvalidFields([("judge", "belongs to guardrails that are tried: give them too")])
    else:
        guards = routing.find(snapshot, request.path["name"]).guards
        guard = review = None
        if guards is not None:
            on_input = asked.side == "input"
            guard, review = (guards.input, guards.asked) if on_input else (guards.output, guards.answered)
    said = Said("user" if asked.side == "input" else "assistant", asked.text)
    judged = functools.partial(context.judge, grant=request.grant, request_id=request.id)
    return json(tried(said, guard, review, judged))


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
