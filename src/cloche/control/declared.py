"""Which endpoints are served: read from the configuration file and the settings, checked as one, all faults at once.

Owns the way from declarations to Endpoint values.  Must not know HTTP; the shapes of the documents are
wire/serving.py's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from cloche.domain.endpoint import Configuration, Declaration, Properties, Route, ServedEntity, default_entity_name
from cloche.wire.serving import InvalidEndpoint, read_endpoint


class InvalidConfiguration(Exception):
    """What the operator declared cannot be served; one line for each fault, with file and field path."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class Declared(msgspec.Struct, frozen=True):
    """Endpoints to serve: from a file, and NAME=MODEL pairs from the settings."""

    file: Path | None
    local: Mapping[str, str]


def declared_endpoints(declared: Declared, settings_groups: Mapping[str, str]) -> list[Declaration]:
    """Every declared endpoint, checked.  InvalidConfiguration lists all faults."""
    problems: list[str] = []
    endpoints = [] if declared.file is None else _from_file(declared.file, settings_groups, problems)
    endpoints += [_local_endpoint(name, model) for name, model in declared.local.items()]
    seen: set[str] = set()
    for endpoint in endpoints:
        if endpoint.name in seen:
            problems.append(f"endpoint '{endpoint.name}': two endpoints have this name")
        seen.add(endpoint.name)
    if problems:
        raise InvalidConfiguration(problems)
    return endpoints


def _local_endpoint(name: str, model: str) -> Declaration:
    entity = ServedEntity(default_entity_name(model), entity_name=model, entity_version="1")
    return Declaration(name, Configuration((entity,), (Route(entity.name, 100),)), Properties())


def _from_file(path: Path, groups: Mapping[str, str], problems: list[str]) -> list[Declaration]:
    try:
        bodies = _parse(path)
    except _Malformed as error:
        problems.append(f"{path}: {error}")
        return []
    if isinstance(bodies, dict) and isinstance(bodies.get("endpoints"), list):
        bodies = bodies["endpoints"]
    if not isinstance(bodies, list):
        problems.append(f"{path}: must be a list of endpoints, each as in POST /api/2.0/serving-endpoints")
        return []
    endpoints = []
    for index, body in enumerate(bodies):
        try:
            endpoints.append(read_endpoint(body, groups))
        except InvalidEndpoint as error:
            problems.extend(f"{path}: [{index}].{field}: {what}" for field, what in error.problems)
    return endpoints


class _Malformed(Exception):
    """The file is no JSON or YAML, or says a thing twice."""


def _parse(path: Path) -> Any:
    """The file's content.  JSON where the name says so, else YAML; a key that is given twice is a fault in both."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _Malformed(f"cannot be read: {error}") from None
    try:
        if path.suffix == ".json":
            return json.loads(text, object_pairs_hook=_unique)
        return yaml.load(text, _UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise _Malformed(str(error).replace("\n", " ")) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"'{key}' is given twice in one object")
        found[key] = value
    return found


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML's safe types only, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; a repeated key is an error at its line."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key}' is given twice in one mapping", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
