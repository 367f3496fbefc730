"""Which endpoint may be named as a judge: one that is there and chats, that may be asked, and that is not judged by
whom it judges.

Calls of a judge are made for whoever calls the endpoint that it judges, and nobody looks then whether they may ask it:
whoever names it must be allowed to.  Works within the caller's transaction.
"""

from __future__ import annotations

from typing import Any

from cloche.domain.access import Level, Principal, level_of
from cloche.domain.endpoint import CHAT_TASK, Properties
from cloche.domain.errors import InvalidFields, PermissionDenied
from cloche.store.work import Work

_FIELD = "ai_gateway.guardrails.judge.endpoint_name"


def check_judge(work: Work, principal: Principal, name: str, properties: Properties, before: Properties | None) -> None:
    """See that the judge in the rules of the endpoint `name` can be one.  `before`: its rules until now, whose judge
    may be named by whoever may change them.  Raises InvalidFields, PermissionDenied."""
    judge = _judge_of(properties)
    if judge is None:
        return
    found = work.endpoints.named(judge)
    if judge == name:
        raise InvalidFields([(_FIELD, "an endpoint cannot judge itself")])
    if found is None:
        raise InvalidFields([(_FIELD, f"there is no serving endpoint '{judge}': a judge must be there first")])
    if found.task != CHAT_TASK:
        raise InvalidFields([(_FIELD, f"'{judge}' does {found.task}: a judge must chat")])
    seen = {name}
    at: str | None = judge
    while at is not None:
        if at in seen:
            raise InvalidFields([(_FIELD, f"'{judge}' is itself judged by '{at}', directly or through others")])
        seen.add(at)
        along = work.endpoints.named(at)
        at = None if along is None else _judge_of(along.properties)
    level = level_of(principal, work.permissions.of(found.id))
    unchanged = before is not None and _judge_of(before) == judge
    if not unchanged and (level is None or level < Level.CAN_QUERY):
        raise PermissionDenied(f"{_FIELD}: '{principal.name}' lacks CAN_QUERY on the serving endpoint '{judge}'")


def _judge_of(properties: Properties) -> str | None:
    guardrails: dict[str, Any] = (properties.ai_gateway or {}).get("guardrails") or {}
    judge = guardrails.get("judge")
    return None if judge is None else judge["endpoint_name"]
