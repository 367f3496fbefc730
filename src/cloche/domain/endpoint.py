"""Serving endpoints as values: what an operator declares, in the shapes and words of the Databricks API.

`problems()` checks what types cannot say and reports each fault with its field path.  This module must not know how an
endpoint is stored, compiled or called.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

CHAT_TASK = "llm/v1/chat"

_NAME = r"^[A-Za-z0-9_-]{1,63}\Z"  # not `$`, which lets a line break pass
Name = Annotated[str, Meta(pattern=_NAME)]
Percentage = Annotated[int, Meta(ge=0, le=100)]


class ExternalModel(Struct, frozen=True, omit_defaults=True):
    """A model of an outside provider.  `settings` is the provider's own `…_config` object, checked by that provider."""

    name: str
    provider: str
    task: str
    settings: dict[str, Any] = {}


class ServedEntity(Struct, frozen=True, omit_defaults=True):
    """One upstream target of an endpoint: an external model, or a model of the local catalogue by `entity_name`."""

    name: str
    external_model: ExternalModel | None = None
    entity_name: str | None = None
    entity_version: str | None = None


class Route(Struct, frozen=True):
    """A served entity and its share of the endpoint's calls, in per cent."""

    served_model_name: str
    traffic_percentage: int


class Tag(Struct, frozen=True, omit_defaults=True):
    """A label on an endpoint."""

    key: str
    value: str | None = None


class Endpoint(Struct, frozen=True):
    """A serving endpoint as declared.  Times are epoch milliseconds."""

    name: str
    entities: tuple[ServedEntity, ...]
    routes: tuple[Route, ...]
    task: str = CHAT_TASK
    description: str | UnsetType = UNSET
    tags: tuple[Tag, ...] = ()
    creator: str = ""
    created_at: int = 0

    @property
    def id(self) -> str:
        """32 hexadecimal digits, the same for the same name."""
        return hashlib.blake2b(self.name.encode(), digest_size=16).hexdigest()

    def entity(self, name: str) -> ServedEntity | None:
        """The served entity of that name."""
        return next((entity for entity in self.entities if entity.name == name), None)


def default_entity_name(external_model: str) -> str:
    """The name of a served entity that was given none: the model's, made fit for a URL."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", external_model)[:63]


def problems(endpoint: Endpoint) -> Iterator[tuple[str, str]]:
    """Each fault as (field path, what is wrong).  Paths are those of the create request."""
    if not re.match(_NAME, endpoint.name):
        yield "name", "must be 1 to 63 letters, digits, '-' or '_'"
    if not endpoint.entities:
        yield "config.served_entities", "must name at least one served entity"
    seen: set[str] = set()
    for index, entity in enumerate(endpoint.entities):
        path = f"config.served_entities[{index}]"
        if not re.match(_NAME, entity.name):
            yield f"{path}.name", "must be 1 to 63 letters, digits, '-' or '_'"
        if entity.name in seen:
            yield f"{path}.name", f"'{entity.name}' is the name of another served entity of this endpoint"
        seen.add(entity.name)
    kinds = {entity.external_model is not None for entity in endpoint.entities}
    if len(kinds) > 1:
        yield "config.served_entities", "external models and local models cannot be mixed in one endpoint"
    yield from _route_problems(endpoint, seen)


def _route_problems(endpoint: Endpoint, entities: set[str]) -> Iterator[tuple[str, str]]:
    routed: set[str] = set()
    for index, route in enumerate(endpoint.routes):
        path = f"config.traffic_config.routes[{index}].served_entity_name"
        if route.served_model_name not in entities:
            yield path, f"no served entity is named '{route.served_model_name}'"
        if route.served_model_name in routed:
            yield path, f"'{route.served_model_name}' has a route already"
        routed.add(route.served_model_name)
    total = sum(route.traffic_percentage for route in endpoint.routes)
    if endpoint.entities and total != 100:
        yield "config.traffic_config.routes", f"traffic percentages must add up to 100, not {total}"
