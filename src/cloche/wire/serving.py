"""Serving endpoints as the Databricks REST API shows them, and as create bodies, which is how they are exported.

Credentials are shown as the references that are kept; a plaintext is never there to be shown.  Must not know how an
endpoint is stored, nor who may see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from cloche.domain.endpoint import Configuration, Endpoint, ServedEntity, Update, Version

Deployment = Literal[
    "DEPLOYMENT_READY",
    "DEPLOYMENT_CREATING",
    "DEPLOYMENT_FAILED",
    "DEPLOYMENT_RECOVERING",
    "DEPLOYMENT_ABORTED",
]

Deployments = Mapping[str, tuple[Deployment, str]]
"""Of each entity by name: whether it can serve, and why not if it cannot."""

_READY: tuple[Deployment, str] = ("DEPLOYMENT_READY", "")


class EndpointStatus(Struct, frozen=True):
    """What changes without a new configuration.

    `ready`: whether every entity of the active version can serve.  `deployments`: of the active version, and `pending`
    of the pending one; an entity that is not told of is as its version is.  `circuits`: how the circuit breakers of its
    entities are, where there are any.
    """

    ready: bool
    deployments: Deployments = {}
    pending: Deployments = {}
    circuits: Mapping[str, str] = {}


class Viewer(Struct, frozen=True):
    """Who looks.  `level`: what they may do.  `base_url`: how they reached the server, without a trailing slash.

    `authorization_details`: what a token for the endpoint's own URL is to be asked for with.
    """

    level: str
    base_url: str
    authorization_details: str


def endpoint_document(endpoint: Endpoint, status: EndpointStatus, viewer: Viewer) -> dict[str, Any]:
    """The answer to GET /api/2.0/serving-endpoints/{name}."""
    document = _document(endpoint, status)
    if endpoint.active is not None:
        document["config"] = _config(endpoint, endpoint.active, status.deployments, _READY)
    if endpoint.pending is not None:
        pending = _config(endpoint, endpoint.pending, status.pending, _pending_state(endpoint))
        document["pending_config"] = pending | {"start_time": endpoint.pending.created_at}
    document["permission_level"] = viewer.level
    document["route_optimized"] = endpoint.properties.route_optimized
    for name in ("email_notifications", "telemetry_config"):
        _add(document, name, getattr(endpoint.properties, name))
    if endpoint.properties.route_optimized:
        url = f"{viewer.base_url}/serving-endpoints/{endpoint.name}/invocations"
        document["endpoint_url"] = url
        details = {"endpoint_url": url, "authorization_details": viewer.authorization_details}
        document["data_plane_info"] = {"query_info": details}
    return document


def endpoint_list(items: Iterable[tuple[Endpoint, EndpointStatus]]) -> dict[str, Any]:
    """The answer to GET /api/2.0/serving-endpoints."""
    listed = []
    for endpoint, status in items:
        entities = endpoint.newest.configuration.entities
        config = {
            "served_entities": [_brief(entity) for entity in entities],
            "served_models": [_as_model(_brief(entity)) for entity in entities],
        }
        listed.append(_document(endpoint, status) | {"config": config})
    return {"endpoints": listed}


def model_list(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The answer to GET /serving-endpoints/models, as the OpenAI client reads it: endpoints are its models."""
    return {
        "object": "list",
        "data": [
            {"id": endpoint.name, "object": "model", "created": endpoint.created_at // 1000, "owned_by": "cloche"}
            for endpoint in endpoints
        ],
    }


def create_body(endpoint: Endpoint, version: Version | None = None) -> dict[str, Any]:
    """The body that would make this endpoint, as a version has it or else the newest: what is exported and compared."""
    shown = endpoint.newest if version is None else version
    body: dict[str, Any] = {"name": endpoint.name, "config": config_body(shown.configuration)}
    told = endpoint.properties
    _add(body, "tags", [msgspec.to_builtins(tag) for tag in told.tags] or None)
    _add(body, "route_optimized", told.route_optimized or None)
    for name in ("description", "budget_policy_id", "ai_gateway", "email_notifications", "telemetry_config"):
        _add(body, name, getattr(told, name))
    return body


def config_body(configuration: Configuration) -> dict[str, Any]:
    """The body that would ask for this configuration."""
    body: dict[str, Any] = {
        "served_entities": [_declared(entity) for entity in configuration.entities],
        "traffic_config": {
            "routes": [
                {"served_entity_name": route.served_model_name, "traffic_percentage": route.traffic_percentage}
                for route in configuration.routes
            ]
        },
    }
    _add(body, "auto_capture_config", configuration.auto_capture_config)
    _add(body, "strict_params", configuration.strict_params or None)
    return body


def version_list(endpoint: Endpoint, versions: Iterable[Version]) -> dict[str, Any]:
    """The answer to GET …/versions."""
    return {"versions": [version_document(endpoint, version) for version in versions]}


def version_document(endpoint: Endpoint, version: Version) -> dict[str, Any]:
    """The answer to GET …/versions/{number}."""
    return {
        "version": version.number,
        "state": _version_state(endpoint, version),
        "created_at": version.created_at,
        "created_by": version.created_by,
        "config": config_body(version.configuration),
    }


def _version_state(endpoint: Endpoint, version: Version) -> str:
    if endpoint.active is not None and endpoint.active.number == version.number:
        return "ACTIVE"
    if endpoint.pending is not None and endpoint.pending.number == version.number:
        return endpoint.update.value
    return "INACTIVE"


def _add(document: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        document[name] = value


def _document(endpoint: Endpoint, status: EndpointStatus) -> dict[str, Any]:
    external = not endpoint.newest.configuration.local_models
    ready = endpoint.active is not None and status.ready
    document: dict[str, Any] = {
        "id": endpoint.id,
        "name": endpoint.name,
        "creator": endpoint.creator,
        "creation_timestamp": endpoint.created_at,
        "last_updated_timestamp": endpoint.updated_at,
        "state": {"ready": "READY" if ready else "NOT_READY", "config_update": endpoint.update},
        "task": endpoint.task,
        "endpoint_type": "EXTERNAL_MODEL" if external else "FOUNDATION_MODEL_API",
        "tags": endpoint.properties.tags,
    }
    if status.circuits:
        document["state"]["circuit_breakers"] = status.circuits
    for name in ("description", "budget_policy_id", "ai_gateway"):
        _add(document, name, getattr(endpoint.properties, name))
    return document


def _pending_state(endpoint: Endpoint) -> tuple[Deployment, str]:
    states: dict[Update, Deployment] = {
        Update.UPDATE_FAILED: "DEPLOYMENT_FAILED",
        Update.UPDATE_CANCELED: "DEPLOYMENT_ABORTED",
    }
    return states.get(endpoint.update, "DEPLOYMENT_CREATING"), endpoint.update_message


def _config(
    endpoint: Endpoint, version: Version, deployments: Deployments, otherwise: tuple[Deployment, str]
) -> dict[str, Any]:
    entities = []
    for entity in version.configuration.entities:
        deployment, message = deployments.get(entity.name, otherwise)
        state = {"deployment": deployment, "deployment_state_message": message}
        made = {"creator": version.created_by, "creation_timestamp": version.created_at, "state": state}
        entities.append(_shown(entity) | made)
    config: dict[str, Any] = {
        "served_entities": entities,
        "served_models": [_as_model(entity) for entity in entities],
        "traffic_config": {
            "routes": [
                {
                    "served_model_name": route.served_model_name,
                    "served_entity_name": route.served_model_name,
                    "traffic_percentage": route.traffic_percentage,
                }
                for route in version.configuration.routes
            ]
        },
        "config_version": version.number,
    }
    _add(config, "auto_capture_config", version.configuration.auto_capture_config)
    _add(config, "strict_params", version.configuration.strict_params or None)
    return config


def _declared(entity: ServedEntity) -> dict[str, Any]:
    """An entity as a body names it."""
    body: dict[str, Any] = {"name": entity.name, **entity.sizing}
    if entity.external_model is not None:
        body["external_model"] = external_model(entity)
    _add(body, "entity_name", entity.entity_name)
    _add(body, "entity_version", entity.entity_version)
    _add(body, "scale_to_zero_enabled", entity.scale_to_zero_enabled or None)
    return body


def external_model(entity: ServedEntity) -> dict[str, Any]:
    """An entity's external model in the API's shape, with the settings under the name that its provider gives them."""
    model = entity.external_model
    assert model is not None
    return {"name": model.name, "provider": model.provider, "task": model.task, model.settings_name: model.settings}


def _shown(entity: ServedEntity) -> dict[str, Any]:
    return _declared(entity) | _brief(entity) | {"scale_to_zero_enabled": entity.scale_to_zero_enabled}


def _brief(entity: ServedEntity) -> dict[str, Any]:
    """An entity as the list of endpoints shows it."""
    if entity.external_model is not None:
        return {"name": entity.name, "external_model": external_model(entity)}
    return {
        "name": entity.name,
        "entity_name": entity.entity_name,
        "entity_version": entity.entity_version or "1",
        "foundation_model": {"name": entity.entity_name, "display_name": entity.entity_name},
    }


def _as_model(entity: dict[str, Any]) -> dict[str, Any]:
    """The same in the older form."""
    renamed = {"entity_name": "model_name", "entity_version": "model_version"}
    return {renamed.get(name, name): value for name, value in entity.items()}
