"""Calls and served entities as the usage tables have them, one row for each.

The first columns are those of Databricks' system.serving tables; those of cloche's own come last.  Must not know how a
row comes about or where it is kept.
"""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec import Struct

from cloche.domain.endpoint import Endpoint, ServedEntity, Version


class CallUsage(Struct, frozen=True, gc=False):
    """One call.  Times are Unix milliseconds.

    `status_code` 499: the client hung up before there was a status.  `served_entity_id` None: nobody was asked.
    `estimated`: the tokens are not the provider's count.  `cost_nano_usd`: billionths of a dollar; None: not known.
    `attempt_ms`: when each of `attempts` began, and how long it took.
    What `hedge_…` tells is of an entity that was asked besides and stopped: an estimate of its prompt.
    Thousands wait to be written, and none is part of a cycle: the garbage collector, which would look at each again
    and again, does not see them.
    """

    account_id: str
    workspace_id: str
    client_request_id: str | None
    databricks_request_id: str
    requester: str
    status_code: int
    request_time: int
    input_token_count: int
    output_token_count: int
    input_character_count: int
    output_character_count: int
    usage_context: dict[str, str] | None
    request_streaming: bool
    served_entity_id: str | None
    estimated: bool
    endpoint_id: str
    endpoint_name: str
    served_entity_name: str | None
    duration_ms: float
    first_byte_ms: float | None
    outcome: str
    error_code: str | None
    attempts: str | None
    cost_nano_usd: int | None = None
    hedge_entity_name: str | None = None
    hedge_input_token_count: int | None = None
    hedge_cost_nano_usd: int | None = None
    translation: str | None = None
    attempt_ms: str | None = None


class EntityRow(Struct, frozen=True):
    """A served entity from `change_time` on, or, with an `endpoint_delete_time`, its end.  Times are Unix milliseconds.

    The configurations hold references to secrets and no secret.
    """

    served_entity_id: str
    account_id: str
    workspace_id: str
    created_by: str
    endpoint_name: str
    endpoint_id: str
    served_entity_name: str
    entity_type: str
    entity_name: str
    entity_version: str | None
    endpoint_config_version: int
    task: str
    external_model_config: dict[str, Any] | None
    foundation_model_config: dict[str, Any] | None
    custom_model_config: dict[str, Any] | None
    feature_spec_config: dict[str, Any] | None
    change_time: int
    endpoint_delete_time: int | None


def served_entity_id(endpoint_id: str, version: int, entity: str) -> str:
    """The id of an entity in one version of an endpoint: the same in every process and after every start."""
    return hashlib.blake2b(f"{endpoint_id}/{version}/{entity}".encode(), digest_size=16).hexdigest()


def estimated_tokens(characters: int) -> int:
    """Tokens where the provider counted none, as Databricks documents it."""
    return (characters + 1) // 4 if characters else 0


def entity_row(
    endpoint: Endpoint, version: Version, entity: ServedEntity, workspace_id: str, deleted_at: int | None = None
) -> EntityRow:
    """The row of an entity of an active version.  `deleted_at`: its endpoint was removed then."""
    model = entity.external_model
    external = foundation = None
    if model is not None:
        external = {"provider": model.provider, "name": model.name, "task": model.task}
    else:
        foundation = {"scale_to_zero_enabled": entity.scale_to_zero_enabled, **entity.sizing}
    return EntityRow(
        served_entity_id=served_entity_id(endpoint.id, version.number, entity.name),
        account_id=workspace_id,
        workspace_id=workspace_id,
        created_by=version.created_by,
        endpoint_name=endpoint.name,
        endpoint_id=endpoint.id,
        served_entity_name=entity.name,
        entity_type="FOUNDATION_MODEL" if model is None else "EXTERNAL_MODEL",
        entity_name=(entity.entity_name or "") if model is None else model.name,
        entity_version=entity.entity_version,
        endpoint_config_version=version.number,
        task=version.configuration.task,
        external_model_config=external,
        foundation_model_config=foundation,
        custom_model_config=None,
        feature_spec_config=None,
        change_time=endpoint.updated_at if deleted_at is None else deleted_at,
        endpoint_delete_time=deleted_at,
    )
