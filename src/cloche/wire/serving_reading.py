"""From decoded bodies to declarations: what the shapes of serving_input.py cannot say, every fault with its path.

Shapes are checked first and what can be read is read on, so that a misspelt field does not hide a wrong percentage.
Must not know providers but by what it is handed, nor where endpoints are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from cloche.codec import json_text
from cloche.codec.json_faults import WHOLE, Faults, below, faults
from cloche.domain import endpoint as rules
from cloche.domain.endpoint import (
    Configuration,
    Declaration,
    ExternalModel,
    Properties,
    Route,
    ServedEntity,
    Tag,
    default_entity_name,
)
from cloche.domain.errors import InvalidFields
from cloche.wire import serving_input as shapes
from cloche.wire.gateway_config import gateway_faults, kept_rules, limit_faults
from cloche.wire.older_words import NEWER, in_words_of
from cloche.wire.read_back import as_input


class Provider(Protocol):
    """What is to be known of a provider.  `group`: the name of its settings object; `tasks`: what its models do;
    `known_as`: what people call it besides."""

    @property
    def group(self) -> str: ...
    @property
    def tasks(self) -> tuple[str, ...]: ...
    @property
    def known_as(self) -> tuple[str, ...]: ...

    def faults(self, model: ExternalModel) -> Faults:
        """What is wrong with the model's settings: paths begin at the settings object."""


Providers = Mapping[str, Provider]

Shape = TypeVar("Shape")


class _Bodies(msgspec.Struct, forbid_unknown_fields=True):
    """ConfigurationInput, whose bodies are read one by one."""

    endpoints: list[Any]


_NO_SUCH_THING = {
    "environment_vars": "is not supported: what runs here is no code of yours that could read it",
    "instance_profile_arn": "is not supported: nothing here runs under a role of AWS",
}
_SIZING = tuple(field.name for field in msgspec.structs.fields(shapes.Sizing))


def parsed(body: bytes) -> Any:
    """The JSON value of a body; an empty one is an empty object.  Raises BadRequest."""
    body = body or b"{}"
    try:
        json_text.check_utf8(body)
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        json_text.raise_bad_request(error)
    json_text.check_duplicate_keys(body, -1)
    return value


def read(body: Any, kind: type[Shape]) -> Shape:
    """A decoded body of a shape.  Raises InvalidFields with every fault."""
    return _checked(body, kind, faults(body, kind))


def read_endpoint(body: Any, providers: Providers, kind: Any = shapes.CreateEndpoint) -> Declaration:
    """The endpoint that a decoded create body declares.  Raises InvalidFields with every fault."""
    if isinstance(body, dict) and "config" in body:
        body = body | {"config": as_input(body["config"])}
    found = [
        (path, rules.NAME_RULE if path == "name" and "regex" in what else what) for path, what in faults(body, kind)
    ]
    config = body.get("config") if isinstance(body, dict) else None
    entities, below_config = _read_entities(config, providers)
    found.extend((below("config", path), what) for path, what in below_config)
    found.extend(_property_faults(body))
    create = _checked(body, kind, found)
    configuration = _configuration(create.config, entities)
    with in_words_of(body):
        _raise(("config." + path, what) for path, what in _problems(create.config, configuration))
    return Declaration(create.name, configuration, _properties(create, body))


def read_endpoints(body: Any, providers: Providers) -> list[Declaration]:
    """The endpoints of a decoded `{"endpoints": [...]}`.  Raises InvalidFields with every fault of every body."""
    bodies = body.get("endpoints") if isinstance(body, dict) else None
    found = faults(body, _Bodies)
    declarations = []
    for index, each in enumerate(bodies if isinstance(bodies, list) else ()):
        try:
            declarations.append(read_endpoint(each, providers))
        except InvalidFields as error:
            here = f"endpoints[{index}]"
            found.extend((below(here, path.removeprefix(WHOLE)), what) for path, what in error.details)
    _raise(found)
    return declarations


def read_configuration(body: Any, providers: Providers, present: Configuration) -> tuple[Configuration, int | None]:
    """The configuration that a decoded update body asks for, and the version that it expects to be the active one.

    Without entities those of `present` stay, its older tables and its strictness too, and only the traffic changes.
    Raises InvalidFields with every fault.
    """
    body = as_input(body)
    found = faults(body, shapes.ConfigInput)
    entities, below_config = _read_entities(body, providers)
    config = _checked(body, shapes.ConfigInput, [*found, *below_config])
    if config.served_entities is None and config.served_models is None:
        if config.traffic_config is None:
            raise InvalidFields([("served_entities", "this field is required")])
        entities = present.entities
    configuration = _configuration(config, entities)
    if entities is present.entities and config.auto_capture_config is None:
        configuration = msgspec.structs.replace(configuration, auto_capture_config=present.auto_capture_config)
    if entities is present.entities and config.strict_params is None:
        configuration = msgspec.structs.replace(configuration, strict_params=present.strict_params)
    with in_words_of(body):
        _raise(_problems(config, configuration))
    return configuration, config.config_version


def read_pt_configuration(body: Any, providers: Providers) -> Configuration:
    """The configuration of a decoded PUT …/pt/{name}/config.  Raises InvalidFields with every fault."""
    config = read(body, shapes.UpdatePtConfig).config
    entities, found = _read_entities(body["config"], providers)
    configuration = _configuration(config, entities)
    with in_words_of(body):
        _raise(("config." + path, what) for path, what in [*found, *_problems(config, configuration)])
    return configuration


def changed_tags(tags: tuple[Tag, ...], patch: shapes.PatchTags) -> tuple[Tag, ...]:
    """The tags after a patch: deleted first, then added, in place of those with the same key."""
    added = {tag.key: Tag(tag.key, tag.value) for tag in patch.add_tags or ()}
    gone = set(patch.delete_tags or ()) | set(added)
    return (*(tag for tag in tags if tag.key not in gone), *added.values())


def kept(value: msgspec.Struct | None) -> dict[str, Any] | None:
    """An object of the API as it is kept: without what was not given."""
    return None if value is None else msgspec.to_builtins(value)


def tag_faults(tags: Any, path: str) -> Faults:
    """Keys that are there twice."""
    seen: set[str] = set()
    found: Faults = []
    for index, tag in enumerate(tags if isinstance(tags, list) else ()):
        key = tag.get("key") if isinstance(tag, dict) else None
        if isinstance(key, str) and key in seen:
            found.append((f"{path}[{index}].key", f"'{key}' is the key of another tag"))
        if isinstance(key, str):
            seen.add(key)
    return found


def _checked(body: Any, kind: type[Shape], found: Faults) -> Shape:
    _raise(found)
    return msgspec.convert(body, kind)


def _raise(found: Iterator[tuple[str, str]] | Faults) -> None:
    told = [(path or WHOLE, what) for path, what in found]
    if told:
        raise InvalidFields(told)


# ---------------------------------------------------------------- properties


def _property_faults(body: Any) -> Faults:
    if not isinstance(body, dict):
        return []
    found = [*tag_faults(body.get("tags"), "tags"), *gateway_faults(body.get("ai_gateway"), "ai_gateway")]
    if body.get("rate_limits") is None:
        return found
    gateway = body.get("ai_gateway")
    if isinstance(gateway, dict) and gateway.get("rate_limits") is not None:
        found.append(("rate_limits", "give either rate_limits or ai_gateway.rate_limits, not both"))
    return [*found, *limit_faults(body["rate_limits"], "rate_limits")]


def _properties(create: shapes.CreateEndpoint | shapes.CreatePtEndpoint, body: dict[str, Any]) -> Properties:
    told = Properties(
        tags=tuple(Tag(tag.key, tag.value) for tag in create.tags or ()),
        budget_policy_id=create.budget_policy_id,
        ai_gateway=kept_rules(body.get("ai_gateway")),
        email_notifications=kept(create.email_notifications),
    )
    if isinstance(create, shapes.CreatePtEndpoint):
        return told
    if create.rate_limits is not None:
        limits = [kept(limit) for limit in create.rate_limits]
        told = msgspec.structs.replace(told, ai_gateway={**(told.ai_gateway or {}), "rate_limits": limits})
    return msgspec.structs.replace(
        told,
        description=create.description,
        route_optimized=bool(create.route_optimized or create.config.route_optimized),
        telemetry_config=kept(create.telemetry_config),
    )


# ---------------------------------------------------------------- configurations


_AnyConfig = shapes.ConfigInput | shapes.PtConfigInput


def _problems(config: _AnyConfig, configuration: Configuration) -> Iterator[tuple[str, str]]:
    """What is wrong with the configuration that was read from a body; first of all, routes that name no one entity."""
    routes = () if config.traffic_config is None else config.traffic_config.routes
    nameless = [
        (f"traffic_config.routes[{index}]", "give the name of one served entity, as served_entity_name")
        for index, route in enumerate(routes)
        if len({route.served_entity_name, route.served_model_name} - {None, ""}) != 1
    ]
    yield from nameless or rules.problems(configuration)


def _configuration(config: _AnyConfig, entities: tuple[ServedEntity, ...]) -> Configuration:
    if config.traffic_config is None:
        routes = rules.even_split(entities)
    else:
        routes = tuple(
            Route(route.served_entity_name or route.served_model_name or "", route.traffic_percentage)
            for route in config.traffic_config.routes
        )
    if isinstance(config, shapes.PtConfigInput):
        return Configuration(entities, routes)
    return Configuration(entities, routes, kept(config.auto_capture_config), bool(config.strict_params))


def _read_entities(config: Any, providers: Providers) -> tuple[tuple[ServedEntity, ...], Faults]:
    """The entities of a configuration object that can be read, and what is wrong with them beside their shape."""
    if not isinstance(config, dict):
        return (), []
    found: Faults = []
    entities = []
    forms = {"served_entities": _shaped_entity, "served_models": _shaped_model}
    if config.get("served_entities") is not None and config.get("served_models") is not None:
        found.append(("served_models", "give either served_entities or served_models, not both"))
    for group, shaped in forms.items():
        raw = config.get(group)
        for index, each in enumerate(raw if isinstance(raw, list) else ()):
            told = shaped(each)
            entity = None if told is None else _read_entity(told, f"{group}[{index}]", providers, found)
            if entity is not None:
                entities.append(entity)
    return tuple(entities), found


def _shaped_entity(raw: Any) -> shapes.EntityInput | None:
    return None if faults(raw, shapes.EntityInput) else msgspec.convert(raw, shapes.EntityInput)


def _shaped_model(raw: Any) -> shapes.EntityInput | None:
    """An entity of the older form."""
    if faults(raw, shapes.ModelInput):
        return None
    return msgspec.convert({NEWER.get(name, name): value for name, value in raw.items()}, shapes.EntityInput)


def _read_entity(entity: shapes.EntityInput, path: str, providers: Providers, found: Faults) -> ServedEntity | None:
    before = len(found)
    for name, why in _NO_SUCH_THING.items():
        if getattr(entity, name):
            found.append((below(path, name), why))
    if (entity.external_model is None) == (entity.entity_name is None):
        found.append((path, "give either external_model or entity_name"))
        return None
    model = None
    if entity.external_model is not None:
        model = _read_external_model(entity.external_model, below(path, "external_model"), providers, found)
        if entity.entity_version is not None:
            found.append((below(path, "entity_version"), "does not belong to an external model"))
    if len(found) > before:
        return None
    sizing = {name: getattr(entity, name) for name in _SIZING if getattr(entity, name) is not None}
    return ServedEntity(
        name=entity.name or default_entity_name(_full_name(entity, model)),
        external_model=model,
        entity_name=entity.entity_name,
        entity_version=entity.entity_version,
        scale_to_zero_enabled=bool(entity.scale_to_zero_enabled),
        sizing=sizing,
    )


def _full_name(entity: shapes.EntityInput, model: ExternalModel | None) -> str:
    if model is not None:
        return model.name
    return f"{entity.entity_name}-{entity.entity_version}" if entity.entity_version else str(entity.entity_name)


def _alike(word: str, name: str) -> bool:
    return min(len(word), len(name)) > 2 and (word in name or name in word)


def _unknown(name: str, providers: Providers) -> str:
    """What is said of a provider that there is not: those that were most likely meant, or all."""
    word = name.lower().replace("_", "-")
    near = [each for each in sorted(providers) if _alike(word, each) or word in providers[each].known_as]
    if near:
        return f"'{name}' is not supported; did you mean {' or '.join(near)}?"
    return f"'{name}' is not supported; supported are: {', '.join(sorted(providers))}"


def _read_external_model(
    fields: dict[str, Any], path: str, providers: Providers, found: Faults
) -> ExternalModel | None:
    texts: dict[str, str] = {}
    for name in ("name", "provider", "task"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            texts[name] = value
        else:
            found.append((below(path, name), "this field is required, and is text"))
    provider = providers.get(texts.get("provider", ""))
    if provider is None:
        if "provider" in texts:
            found.append((below(path, "provider"), _unknown(texts["provider"], providers)))
        return None
    task = texts.get("task", rules.CHAT_TASK)
    if "task" in texts and task not in provider.tasks:
        does = " and ".join(provider.tasks) or "nothing any more"
        found.append((below(path, "task"), f"models of '{texts['provider']}' do {does}, not '{task}'"))
        task = rules.CHAT_TASK  # so that the faults of its settings are told, too
    for name, value in fields.items():
        if name not in ("name", "provider", "task", provider.group) and value is not None:
            found.append((below(path, name), f"does not belong to the provider '{texts['provider']}'"))
    settings = fields.get(provider.group)
    if not isinstance(settings, dict):
        found.append((below(path, provider.group), f"this object is required for '{texts['provider']}'"))
        return None
    model = ExternalModel(texts.get("name", ""), texts["provider"], task, settings)
    found.extend((below(path, where), what) for where, what in provider.faults(model))
    return model
