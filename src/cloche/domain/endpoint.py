"""Serving endpoints as values: what an operator declares, in the shapes and words of the Databricks API.

An endpoint has properties (tags, gateway rules, …), which change at once, and a configuration (served entities and
their traffic), which changes by versions: a new one is pending until it can serve, and the active one serves
meanwhile. `problems()` checks what types cannot say and reports each fault with its field path.  This module must not
know how an endpoint is stored, compiled or called.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import Meta, Struct

CHAT_TASK = "llm/v1/chat"
COMPLETIONS_TASK = "llm/v1/completions"
EMBEDDINGS_TASK = "llm/v1/embeddings"
TASKS = (CHAT_TASK, COMPLETIONS_TASK, EMBEDDINGS_TASK)

MAX_ENDPOINTS = 1000
MAX_DESCRIPTION = 1000
MAX_ENTITIES = 15
"""The documentation says ten; fifteen are accepted in practice, and clients rely on it."""

_NAME = r"^[A-Za-z0-9_-]{1,63}\Z"  # not `$`, which lets a line break pass
NAME_RULE = "must be 1 to 63 letters, digits, '-' or '_'"
Name = Annotated[str, Meta(pattern=_NAME)]
Percentage = Annotated[int, Meta(ge=0, le=100)]


class ExternalModel(Struct, frozen=True, omit_defaults=True):
    """A model of an outside provider.  `settings` is the provider's own `…_config` object, checked by that provider.

    Credentials in it are references, `{{secrets/SCOPE/KEY}}`; plaintext is there only while a provider is bound.
    """

    name: str
    provider: str
    task: str
    settings: dict[str, Any] = {}

    def __repr__(self) -> str:
        """Without the settings' values: while a provider is bound, the credentials are among them."""
        return f"ExternalModel({self.name!r}, {self.provider!r}, {self.task!r}, {sorted(self.settings)})"

    @property
    def settings_name(self) -> str:
        """The name that the API gives to the provider's settings object."""
        return "custom_provider_config" if self.provider == "custom" else f"{self.provider.replace('-', '_')}_config"


class ServedEntity(Struct, frozen=True, omit_defaults=True):
    """One upstream target of an endpoint: an external model, or a model of the local catalogue by `entity_name`.

    `scale_to_zero_enabled`: the engine may be unloaded while nobody calls it.  `sizing`: what a caller said of
    Databricks hardware (workload_size and the like), kept and shown, because the engine's size here is the operator's
    to choose.
    """

    name: str
    external_model: ExternalModel | None = None
    entity_name: str | None = None
    entity_version: str | None = None
    scale_to_zero_enabled: bool = False
    sizing: dict[str, Any] = {}


class Route(Struct, frozen=True):
    """A served entity and its share of the endpoint's calls, in per cent."""

    served_model_name: str
    traffic_percentage: int


class Tag(Struct, frozen=True, omit_defaults=True):
    """A label on an endpoint."""

    key: str
    value: str | None = None


class Configuration(Struct, frozen=True):
    """What a version holds.  `auto_capture_config`: the legacy tables, kept as given.

    `strict_params`: calls are refused rather than that a provider loses a parameter of theirs.
    """

    entities: tuple[ServedEntity, ...]
    routes: tuple[Route, ...]
    auto_capture_config: dict[str, Any] | None = None
    strict_params: bool = False

    @property
    def task(self) -> str:
        """What its models do; all external models of a configuration do the same."""
        return next((each.external_model.task for each in self.entities if each.external_model), CHAT_TASK)

    @property
    def local_models(self) -> frozenset[str]:
        """The models of the local catalogue that it names."""
        return frozenset(each.entity_name for each in self.entities if each.entity_name is not None)


class Properties(Struct, frozen=True, omit_defaults=True):
    """What of an endpoint changes at once, without a version.  The objects are kept in the API's own shape."""

    description: str | None = None
    tags: tuple[Tag, ...] = ()
    route_optimized: bool = False
    budget_policy_id: str | None = None
    ai_gateway: dict[str, Any] | None = None
    email_notifications: dict[str, Any] | None = None
    telemetry_config: dict[str, Any] | None = None


class Declaration(Struct, frozen=True):
    """What a create body says: an endpoint that is to be.  `configuration` may still bear plaintext credentials.

    `properties` None: nothing is said of them, and those of an endpoint that is there stay; `at_first` are then those
    of one that is made.
    """

    name: str
    configuration: Configuration
    properties: Properties | None = None
    at_first: Properties = Properties()


class Version(Struct, frozen=True):
    """A configuration under its number, counted from 1 for each endpoint.  `created_at`: Unix milliseconds."""

    number: int
    configuration: Configuration
    created_at: int
    created_by: str


class Update(enum.StrEnum):
    """How the newest change of configuration went: `state.config_update` of the API."""

    NOT_UPDATING = "NOT_UPDATING"
    IN_PROGRESS = "IN_PROGRESS"
    UPDATE_FAILED = "UPDATE_FAILED"
    UPDATE_CANCELED = "UPDATE_CANCELED"


class Endpoint(Struct, frozen=True):
    """A serving endpoint.  Times are Unix milliseconds; `id`: 32 hexadecimal digits; `creator`: a principal's name.

    `active` serves, if there is one; `pending` is there while `update` is IN_PROGRESS, and after UPDATE_FAILED it is
    the version that failed, with the reason in `update_message`.
    """

    id: str
    name: str
    creator: str
    created_at: int
    updated_at: int
    properties: Properties
    active: Version | None = None
    pending: Version | None = None
    update: Update = Update.NOT_UPDATING
    update_message: str = ""

    @property
    def newest(self) -> Version:
        """The version that is shown where only one can be: the active one, else the pending one."""
        version = self.active or self.pending
        assert version is not None, "an endpoint is made with a version"
        return version

    @property
    def task(self) -> str:
        """What its models do."""
        return self.newest.configuration.task


def default_entity_name(external_model: str) -> str:
    """The name of a served entity that was given none: the model's, made fit for a URL."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", external_model)[:63]


def problems(configuration: Configuration) -> Iterator[tuple[str, str]]:
    """Each fault as (field path, what is wrong).  Paths are those of the create request, below `config`."""
    entities = configuration.entities
    if not entities:
        yield "served_entities", "must name at least one served entity"
    if len(entities) > MAX_ENTITIES:
        yield "served_entities", f"must name at most {MAX_ENTITIES} served entities, not {len(entities)}"
    seen: set[str] = set()
    for index, entity in enumerate(entities):
        path = f"served_entities[{index}]"
        if not re.match(_NAME, entity.name):
            yield f"{path}.name", NAME_RULE
        if entity.name in seen:
            yield f"{path}.name", f"'{entity.name}' is the name of another served entity of this endpoint"
        seen.add(entity.name)
    if len({entity.external_model is not None for entity in entities}) > 1:
        yield "served_entities", "external models and local models cannot be mixed in one endpoint"
    if len({entity.external_model.task for entity in entities if entity.external_model}) > 1:
        yield "served_entities", "all external models of an endpoint must have the same task"
    yield from _route_problems(configuration, seen)


def change_problems(before: Configuration, after: Configuration) -> Iterator[tuple[str, str]]:
    """Why one configuration cannot follow another, as `problems` tells it."""
    if before.entities and after.entities and bool(before.local_models) != bool(after.local_models):
        kinds = ("external models", "local models")
        was, is_ = kinds if after.local_models else reversed(kinds)
        yield "served_entities", f"an endpoint of {was} cannot become one of {is_}: make another endpoint"


def even_split(entities: tuple[ServedEntity, ...]) -> tuple[Route, ...]:
    """The routes of a configuration that says nothing of traffic: one entity gets everything, several share evenly."""
    if not entities:
        return ()
    share, rest = divmod(100, len(entities))
    return tuple(Route(entity.name, share + (index < rest)) for index, entity in enumerate(entities))


def _route_problems(configuration: Configuration, entities: set[str]) -> Iterator[tuple[str, str]]:
    routed: set[str] = set()
    for index, route in enumerate(configuration.routes):
        path = f"traffic_config.routes[{index}].served_entity_name"
        if route.served_model_name not in entities:
            yield path, f"no served entity is named '{route.served_model_name}'"
        if route.served_model_name in routed:
            yield path, f"'{route.served_model_name}' has a route already"
        routed.add(route.served_model_name)
    total = sum(route.traffic_percentage for route in configuration.routes)
    if entities and total != 100:
        yield "traffic_config.routes", f"traffic percentages must add up to 100, not {total}"
