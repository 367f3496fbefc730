"""Bodies that make or change serving endpoints: their shapes, which are the schemas of the OpenAPI document.

Unknown fields are refused: a misspelt one must not be lost.  What the values mean is serving_reading.py's.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from cloche.domain.ai_gateway import AiGateway, Count, RateLimit
from cloche.domain.endpoint import MAX_DESCRIPTION, Name, Percentage

Text = Annotated[str, Meta(min_length=1, max_length=255)]


class RouteInput(Struct, forbid_unknown_fields=True):
    """The share of a served entity, which is named in one of two ways."""

    traffic_percentage: Percentage
    served_entity_name: str | None = None
    served_model_name: str | None = None


class TrafficInput(Struct, forbid_unknown_fields=True):
    """How calls are divided; the shares add up to 100."""

    routes: list[RouteInput]


class AutoCapture(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The older way to name an inference table: kept and shown, and without effect."""

    catalog_name: str | None = None
    schema_name: str | None = None
    table_name_prefix: str | None = None
    enabled: bool | None = None


class Sizing(Struct, kw_only=True, forbid_unknown_fields=True):
    """What may be said of Databricks hardware: kept and shown, and without effect."""

    workload_size: str | None = None
    workload_type: str | None = None
    min_provisioned_concurrency: Count | None = None
    max_provisioned_concurrency: Count | None = None
    min_provisioned_throughput: Count | None = None
    max_provisioned_throughput: Count | None = None
    provisioned_model_units: Count | None = None
    burst_scaling_enabled: bool | None = None


class EntityInput(Sizing, kw_only=True, forbid_unknown_fields=True):
    """A served entity: an external model, or by `entity_name` a model of the local catalogue."""

    name: str | None = None
    external_model: dict[str, Any] | None = None
    entity_name: Text | None = None
    entity_version: str | None = None
    scale_to_zero_enabled: bool | None = None
    environment_vars: dict[str, str] | None = None
    instance_profile_arn: str | None = None


class ModelInput(Sizing, kw_only=True, forbid_unknown_fields=True):
    """A served entity in the older form."""

    model_name: Text
    model_version: str | None = None
    name: str | None = None
    scale_to_zero_enabled: bool | None = None
    environment_vars: dict[str, str] | None = None
    instance_profile_arn: str | None = None


class ConfigInput(Struct, kw_only=True, forbid_unknown_fields=True):
    """A configuration.  `name`, which the SDK repeats here, says nothing.  `config_version`: the version that is
    expected to be the active one.  `strict_params`, cloche's own: a call is refused rather than that a provider loses
    a parameter of it."""

    name: str | None = None
    served_entities: list[EntityInput] | None = None
    served_models: list[ModelInput] | None = None
    traffic_config: TrafficInput | None = None
    auto_capture_config: AutoCapture | None = None
    strict_params: bool | None = None
    config_version: Count | None = None


class CreateConfigInput(ConfigInput, kw_only=True, forbid_unknown_fields=True):
    """The configuration of a new endpoint.  MLflow puts `route_optimized` in here."""

    route_optimized: bool | None = None


class PtEntityInput(Struct, kw_only=True, forbid_unknown_fields=True):
    """A served entity with provisioned throughput, which here is a model of the local catalogue like any other."""

    entity_name: Text
    provisioned_model_units: Count
    entity_version: str | None = None
    name: str | None = None
    burst_scaling_enabled: bool | None = None


class PtConfigInput(Struct, kw_only=True, forbid_unknown_fields=True):
    """A configuration with provisioned throughput."""

    served_entities: list[PtEntityInput]
    traffic_config: TrafficInput | None = None


class TagInput(Struct, forbid_unknown_fields=True):
    """A label."""

    key: Text
    value: str | None = None


class EmailNotifications(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Who wants to hear of updates: kept and shown; no mail is sent."""

    on_update_success: list[str] | None = None
    on_update_failure: list[str] | None = None


class TableNames(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Tables that telemetry would go to."""

    annotations_table: str | None = None
    logs_table: str | None = None
    metrics_table: str | None = None
    traces_table: str | None = None


class TelemetryTable(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The table that payloads would go to, and the fraction of them."""

    name: str | None = None
    sampling_fraction: Annotated[float, Meta(ge=0, le=1)] | None = None


class Telemetry(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What telemetry is wanted: kept and shown, and without effect."""

    enabled_telemetry_features: list[str] | None = None
    inference_table_config: TelemetryTable | None = None
    table_names: TableNames | None = None
    telemetry_profile_id: str | None = None


class PropertiesInput(Struct, kw_only=True, forbid_unknown_fields=True):
    """What the bodies of both kinds of new endpoint say beside the configuration."""

    ai_gateway: AiGateway | None = None
    tags: list[TagInput] | None = None
    budget_policy_id: str | None = None
    email_notifications: EmailNotifications | None = None


class CreateEndpoint(PropertiesInput, kw_only=True, forbid_unknown_fields=True):
    """POST /api/2.0/serving-endpoints."""

    name: Name
    config: CreateConfigInput
    description: Annotated[str, Meta(max_length=MAX_DESCRIPTION)] | None = None
    rate_limits: list[RateLimit] | None = None
    route_optimized: bool | None = None
    telemetry_config: Telemetry | None = None


class CreatePtEndpoint(PropertiesInput, kw_only=True, forbid_unknown_fields=True):
    """POST /api/2.0/serving-endpoints/pt."""

    name: Name
    config: PtConfigInput


class UpdatePtConfig(Struct, forbid_unknown_fields=True):
    """PUT /api/2.0/serving-endpoints/pt/{name}/config."""

    config: PtConfigInput


class PatchTags(Struct, forbid_unknown_fields=True):
    """PATCH …/tags."""

    add_tags: list[TagInput] | None = None
    delete_tags: list[str] | None = None


class PatchNotifications(Struct, forbid_unknown_fields=True):
    """PATCH …/notifications."""

    email_notifications: EmailNotifications | None = None


class PatchTelemetry(Struct, forbid_unknown_fields=True):
    """PATCH …/telemetry-config; without a `telemetry_config` there is none from now on."""

    telemetry_config: Telemetry | None = None


class Rollback(Struct, forbid_unknown_fields=True):
    """POST …/rollback."""

    version: Count


class ProbeInput(Struct, forbid_unknown_fields=True):
    """POST …/probe.  `served_entity_name`: the only one to try."""

    served_entity_name: str | None = None


class ConfigurationInput(Struct, forbid_unknown_fields=True):
    """PUT /api/2.0/cloche/configuration: every endpoint as its create body."""

    endpoints: list[CreateEndpoint]
