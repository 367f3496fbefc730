"""Who may be named as a judge, and by whom."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cloche.domain.access import Caller, Level
from cloche.domain.endpoint import Declaration, ExternalModel, Properties, ServedEntity
from cloche.domain.errors import InvalidFields, PermissionDenied
from cloche.store.database import Store

from .endpoint_plane import PLAIN, Plane
from .installation import ADMIN, add_user, configuration

FIELD = "ai_gateway.guardrails.judge.endpoint_name"


def judged_by(name: str) -> dict[str, Any]:
    """Rules that name a judge."""
    return {"guardrails": {"input": {"safety": True}, "judge": {"endpoint_name": name}}}


def rule(plane: Plane, caller: Caller, rules: dict[str, Any], name: str = "chat") -> None:
    """Give an endpoint rules."""
    plane.endpoints.change_properties(caller, name, "endpoint.ai_gateway", lambda had: replace(had, ai_gateway=rules))


def test_whoever_names_a_judge_must_be_allowed_to_ask_it(store: Store) -> None:
    """When an endpoint is made and when its rules are changed; a judge that is named already may stay."""
    plane = Plane(store)
    plane.create(name="judge")
    ann = add_user(store, "ann")
    with pytest.raises(PermissionDenied, match="'ann' lacks CAN_QUERY on the serving endpoint 'judge'"):
        plane.endpoints.create(ann, Declaration("chat", PLAIN, Properties(ai_gateway=judged_by("judge"))))
    plane.endpoints.create(ann, Declaration("chat", PLAIN))
    with pytest.raises(PermissionDenied, match=FIELD):
        rule(plane, ann, judged_by("judge"))
    rule(plane, ADMIN, judged_by("judge"))
    rule(plane, ann, judged_by("judge") | {"fallback_config": {"enabled": True}})
    rule(plane, ann, {})
    with plane.publisher.change() as work:
        judge = plane.kept("judge").id
        work.permissions.replace(judge, {ann.principal.id: Level.CAN_QUERY})
    rule(plane, ann, judged_by("judge"))


def test_who_cannot_be_a_judge(store: Store) -> None:
    """Nobody, an endpoint that does not chat, and one that is judged by whom it would judge."""
    plane = Plane(store)
    settings = {"openai_api_key_plaintext": "sk"}
    embedder = ServedEntity("e", ExternalModel("text-embedding-3-small", "openai", "llm/v1/embeddings", settings))
    plane.create(configuration(embedder), "embeds")
    for name in ("one", "two", "three"):
        plane.create(name=name)
    rule(plane, ADMIN, judged_by("two"), "one")
    rule(plane, ADMIN, judged_by("three"), "two")
    for name, judge in (("one", "one"), ("three", "one"), ("three", "two"), ("three", "nobody"), ("three", "embeds")):
        with pytest.raises(InvalidFields, match=FIELD):
            rule(plane, ADMIN, judged_by(judge), name)
    assert not plane.kept("three").properties.ai_gateway
