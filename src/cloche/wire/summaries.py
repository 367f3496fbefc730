"""Endpoints in one line each, with their last hour, for whoever looks over many of them: filtered, sorted, in pages.

Must not know who may see what, nor who counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from cloche.domain.endpoint import TASKS, Endpoint, Update
from cloche.domain.errors import InvalidParameter
from cloche.wire import queries
from cloche.wire.series import PastMinute

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
LOCAL = "local"
"""What stands for the provider of a model of this host."""

STATES = ("ready", "not_ready", *(each.value.lower() for each in Update))
SORTS = ("name", "-name", "created", "updated", "calls")

QUERY = (
    ("q", "Part of the name, description, models or entities, in any case."),
    ("state", f"One of {', '.join(STATES)}."),
    ("provider", f"Of any of its entities; `{LOCAL}` for models of this host."),
    ("task", f"One of {', '.join(TASKS)}."),
    ("owner", "Name of whoever made it."),
    ("tag", "A tag's key, or `KEY:VALUE`."),
    ("mine", "`true`: those that the caller has made."),
    ("sort", "`name` or `-name`; `created`, `updated`, `calls` (of the last hour): the newest or most first."),
    ("limit", f"Endpoints in one answer, {DEFAULT_LIMIT} if not given, {MAX_LIMIT} at most."),
    ("page_token", "`next_page_token` of the answer before."),
)


class Asked(msgspec.Struct, frozen=True):
    """What is asked for; None: any."""

    q: str
    state: str | None
    provider: str | None
    task: str | None
    owner: str | None
    tag: str | None
    sort: str
    limit: int
    offset: int


class State(msgspec.Struct, frozen=True):
    """As in the endpoint's document."""

    ready: str
    config_update: Update


class Model(msgspec.Struct, frozen=True):
    """A served entity.  `traffic`: its share in per cent."""

    entity: str
    model: str
    provider: str
    traffic: int


class Point(msgspec.Struct, frozen=True):
    """A minute of the sparkline."""

    calls: int
    errors: int


class Summary(msgspec.Struct, frozen=True):
    """One endpoint.  `sparkline`: the last 60 minutes, the oldest first; the last one is under way."""

    name: str
    id: str
    state: State
    task: str
    creator: str
    tags: Any
    models: list[Model]
    last_updated_timestamp: int
    permission_level: str
    calls_last_hour: int
    errors_last_hour: int
    sparkline: list[Point]


class Summaries(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer.  `total`: how many there are over all pages.  `next_page_token`: there is more."""

    endpoints: list[Summary]
    total: int
    next_page_token: str | None = None


def read_query(query: Mapping[str, str], caller: str) -> Asked:
    """What a query asks for.  `caller`: who asks, by name.  InvalidParameter."""
    owner = query.get("owner") or None
    if queries.flag(query, "mine"):
        if owner not in (None, caller):
            raise InvalidParameter("owner: cannot be somebody else with mine=true")
        owner = caller
    return Asked(
        q=query.get("q", "").lower(),
        state=_one_of(query, "state", STATES),
        provider=query.get("provider") or None,
        task=_one_of(query, "task", TASKS),
        owner=owner,
        tag=query.get("tag") or None,
        sort=_one_of(query, "sort", SORTS) or "name",
        limit=queries.bounded(query, "limit", DEFAULT_LIMIT, MAX_LIMIT),
        offset=queries.number(query, "page_token") or 0,
    )


def _one_of(query: Mapping[str, str], name: str, choices: Sequence[str]) -> str | None:
    given = query.get(name)
    if not given:
        return None
    found = next((each for each in choices if each == given.lower()), None)
    if found is None:
        raise InvalidParameter(f"{name}: must be one of {', '.join(choices)}, not {given!r}")
    return found


def wanted(asked: Asked, endpoint: Endpoint, ready: Callable[[Endpoint], bool]) -> bool:
    """Whether an endpoint is among those that are asked for.  `ready` is asked only where that matters."""
    if asked.owner not in (None, endpoint.creator) or asked.task not in (None, endpoint.task):
        return False
    if asked.tag is not None and not _tagged(endpoint, asked.tag):
        return False
    shown = models(endpoint)
    if asked.provider is not None and asked.provider not in {each.provider for each in shown}:
        return False
    if asked.q and not any(asked.q in text.lower() for text in _texts(endpoint, shown)):
        return False
    if asked.state in ("ready", "not_ready"):
        return ready(endpoint) is (asked.state == "ready")
    return asked.state in (None, endpoint.update.value.lower())


def _tagged(endpoint: Endpoint, tag: str) -> bool:
    return any(tag in (each.key, f"{each.key}:{each.value or ''}") for each in endpoint.properties.tags)


def _texts(endpoint: Endpoint, shown: Sequence[Model]) -> list[str]:
    about = [endpoint.name, endpoint.properties.description or ""]
    return about + [text for each in shown for text in (each.entity, each.model)]


def models(endpoint: Endpoint) -> list[Model]:
    """What stands behind an endpoint, in the order of its configuration."""
    configuration = endpoint.newest.configuration
    traffic = {route.served_model_name: route.traffic_percentage for route in configuration.routes}
    return [
        Model(each.name, each.entity_name or "", LOCAL, traffic.get(each.name, 0))
        if each.external_model is None
        else Model(each.name, each.external_model.name, each.external_model.provider, traffic.get(each.name, 0))
        for each in configuration.entities
    ]


def in_order(asked: Asked, endpoints: Sequence[Endpoint], calls: Callable[[str], int]) -> list[Endpoint]:
    """Endpoints in the order that is asked for.  `calls`: of the last hour, by endpoint id."""
    named = sorted(endpoints, key=lambda each: each.name.lower(), reverse=asked.sort == "-name")
    if asked.sort == "created":
        return sorted(named, key=lambda each: -each.created_at)
    if asked.sort == "updated":
        return sorted(named, key=lambda each: -each.updated_at)
    if asked.sort == "calls":
        return sorted(named, key=lambda each: -calls(each.id))
    return named


def summary(endpoint: Endpoint, hour: Sequence[PastMinute], *, ready: bool, level: str) -> Summary:
    """An endpoint in one line.  `level`: what the caller may do with it."""
    return Summary(
        name=endpoint.name,
        id=endpoint.id,
        state=State("READY" if ready else "NOT_READY", endpoint.update),
        task=endpoint.task,
        creator=endpoint.creator,
        tags=endpoint.properties.tags,
        models=models(endpoint),
        last_updated_timestamp=endpoint.updated_at,
        permission_level=level,
        calls_last_hour=sum(each.calls for each in hour),
        errors_last_hour=sum(each.errors for each in hour),
        sparkline=[Point(each.calls, each.errors) for each in hour],
    )
