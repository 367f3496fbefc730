"""Serving endpoints as the Databricks REST API writes them: create bodies in, endpoint documents out.

Every fault of a body is reported with the path of its field; a field that the API knows and cloche does not serve
yet is a fault too, because a limit or guardrail that is accepted and not enforced is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from cloche.codec import json_text
from cloche.domain import endpoint as rules
from cloche.domain.endpoint import (
    Configuration,
    Declaration,
    Endpoint,
    ExternalModel,
    Properties,
    Route,
    ServedEntity,
    Tag,
    default_entity_name,
)

Problems = list[tuple[str, str]]

TASKS = (rules.CHAT_TASK,)


class InvalidEndpoint(Exception):
    """A create body is wrong: (field path, what is wrong) for each fault."""

    def __init__(self, problems: Problems) -> None:
        super().__init__(problems)
        self.problems = problems


# ---------------------------------------------------------------- create bodies


class _RouteInput(Struct, forbid_unknown_fields=True):
    traffic_percentage: rules.Percentage
    served_entity_name: str | None = None
    served_model_name: str | None = None


class _TrafficConfig(Struct, forbid_unknown_fields=True):
    routes: list[_RouteInput]


class _EntityInput(Struct, forbid_unknown_fields=True):
    name: str | None = None
    external_model: dict[str, Any] | None = None
    entity_name: str | None = None
    entity_version: str | None = None


class _ConfigInput(Struct, forbid_unknown_fields=True):
    name: str | None = None  # the Databricks SDK repeats the endpoint's name here
    served_entities: list[_EntityInput] | None = None
    traffic_config: _TrafficConfig | None = None


class _CreateBody(Struct, forbid_unknown_fields=True):
    name: rules.Name
    config: _ConfigInput
    description: str | None = None
    tags: list[Tag] = []


def read_endpoint(body: Any, settings_groups: Mapping[str, str]) -> Declaration:
    """The endpoint that a decoded create body declares.  InvalidEndpoint lists what is wrong.

    `settings_groups`: the name of the settings object of each provider that can be called.
    """
    try:
        create = msgspec.convert(body, _CreateBody)
    except msgspec.ValidationError as error:
        path, what = json_text.explain(error)
        raise InvalidEndpoint([(path or "the endpoint", what)]) from None
    problems: Problems = []
    entities = []
    for index, entity in enumerate(create.config.served_entities or ()):
        path = f"config.served_entities[{index}]"
        read = _read_entity(entity, path, settings_groups, problems)
        if read is not None:
            entities.append(read)
    if problems:
        raise InvalidEndpoint(problems)
    configuration = Configuration(tuple(entities), _read_routes(create.config.traffic_config, entities))
    problems.extend((f"config.{path}", what) for path, what in rules.problems(configuration))
    if problems:
        raise InvalidEndpoint(problems)
    return Declaration(create.name, configuration, Properties(create.description, tuple(create.tags)))


def _read_entity(entity: _EntityInput, path: str, groups: Mapping[str, str], problems: Problems) -> ServedEntity | None:
    if (entity.external_model is None) == (entity.entity_name is None):
        problems.append((path, "give either external_model or entity_name"))
        return None
    if entity.entity_name is not None:
        version = f"-{entity.entity_version}" if entity.entity_version else ""
        name = entity.name or default_entity_name(entity.entity_name + version)
        return ServedEntity(name, entity_name=entity.entity_name, entity_version=entity.entity_version)
    before = len(problems)
    model = _read_external_model(entity.external_model or {}, f"{path}.external_model", groups, problems)
    if len(problems) > before or model is None:
        return None
    return ServedEntity(entity.name or default_entity_name(model.name), external_model=model)


def _read_external_model(
    fields: dict[str, Any], path: str, groups: Mapping[str, str], problems: Problems
) -> ExternalModel | None:
    texts: dict[str, str] = {}
    for name in ("name", "provider", "task"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            texts[name] = value
        else:
            problems.append((f"{path}.{name}", "this field is required, and is text"))
    if len(texts) < 3:
        return None
    if texts["task"] not in TASKS:
        problems.append((f"{path}.task", f"must be {' or '.join(TASKS)}, not '{texts['task']}'"))
    group = groups.get(texts["provider"])
    if group is None:
        known = ", ".join(sorted(groups))
        problems.append((f"{path}.provider", f"'{texts['provider']}' is not supported; supported are: {known}"))
        return None
    settings = fields.get(group)
    if not isinstance(settings, dict):
        problems.append((f"{path}.{group}", f"this object is required for the provider '{texts['provider']}'"))
        return None
    for name in fields:
        if name not in ("name", "provider", "task", group):
            problems.append((f"{path}.{name}", f"does not belong to the provider '{texts['provider']}'"))
    return ExternalModel(settings=settings, **texts)


def _read_routes(traffic: _TrafficConfig | None, entities: list[ServedEntity]) -> tuple[Route, ...]:
    """The declared routes; without any, one entity gets everything and several share evenly."""
    if traffic is not None:
        return tuple(
            Route(route.served_entity_name or route.served_model_name or "", route.traffic_percentage)
            for route in traffic.routes
        )
    if not entities:
        return ()
    share, rest = divmod(100, len(entities))
    return tuple(Route(entity.name, share + (index < rest)) for index, entity in enumerate(entities))


# ---------------------------------------------------------------- endpoint documents


Deployment = Literal["DEPLOYMENT_READY", "DEPLOYMENT_CREATING", "DEPLOYMENT_FAILED", "DEPLOYMENT_RECOVERING"]


class EndpointStatus(Struct, frozen=True):
    """What changes without a new configuration: whether each entity, by name, can serve, and why not if it cannot."""

    ready: bool
    deployments: Mapping[str, tuple[Deployment, str]]


def endpoint_document(endpoint: Endpoint, status: EndpointStatus, *, permission_level: str) -> dict[str, Any]:
    """The answer to GET /api/2.0/serving-endpoints/{name}."""
    document = _document(endpoint, status)
    document["config"] |= {
        "traffic_config": {
            "routes": [
                {
                    "served_model_name": route.served_model_name,
                    "served_entity_name": route.served_model_name,
                    "traffic_percentage": route.traffic_percentage,
                }
                for route in endpoint.newest.configuration.routes
            ]
        },
        "config_version": endpoint.newest.number,
    }
    document["permission_level"] = permission_level
    return document


def endpoint_list(items: Iterable[tuple[Endpoint, EndpointStatus]]) -> dict[str, Any]:
    """The answer to GET /api/2.0/serving-endpoints."""
    return {"endpoints": [_document(endpoint, status) for endpoint, status in items]}


def model_list(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The answer to GET /serving-endpoints/models, as the OpenAI client reads it: endpoints are its models."""
    return {
        "object": "list",
        "data": [
            {"id": endpoint.name, "object": "model", "created": endpoint.created_at // 1000, "owned_by": "cloche"}
            for endpoint in endpoints
        ],
    }


def _document(endpoint: Endpoint, status: EndpointStatus) -> dict[str, Any]:
    entities = [_entity(entity, endpoint, status) for entity in endpoint.newest.configuration.entities]
    external = all(entity.external_model is not None for entity in endpoint.newest.configuration.entities)
    document: dict[str, Any] = {
        "id": endpoint.id,
        "name": endpoint.name,
        "creator": endpoint.creator,
        "creation_timestamp": endpoint.created_at,
        "last_updated_timestamp": endpoint.updated_at,
        "state": {"ready": "READY" if status.ready else "NOT_READY", "config_update": endpoint.update},
        "config": {"served_entities": entities},
        "task": endpoint.task,
        "endpoint_type": "EXTERNAL_MODEL" if external else "FOUNDATION_MODEL_API",
        "tags": endpoint.properties.tags,
        "route_optimized": endpoint.properties.route_optimized,
    }
    if endpoint.properties.description is not None:
        document["description"] = endpoint.properties.description
    return document


def _entity(entity: ServedEntity, endpoint: Endpoint, status: EndpointStatus) -> dict[str, Any]:
    deployment, message = status.deployments[entity.name]
    fields: dict[str, Any] = {
        "name": entity.name,
        "creator": endpoint.creator,
        "creation_timestamp": endpoint.created_at,
        "state": {"deployment": deployment, "deployment_state_message": message},
    }
    model = entity.external_model
    if model is not None:
        fields["external_model"] = {"name": model.name, "provider": model.provider, "task": model.task}
        return fields
    return fields | {
        "entity_name": entity.entity_name,
        "entity_version": entity.entity_version or "1",
        "foundation_model": {"name": entity.entity_name, "display_name": entity.entity_name},
    }
