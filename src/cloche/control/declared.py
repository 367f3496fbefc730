"""What the operator declares at start: endpoints in the configuration file, and NAME=MODEL pairs from the settings.

They are checked as one, all faults at once, each with its file and line; what comes out is what
`Configurations.apply` takes.  Must not know what is there already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from cloche.control.documents import Documents, InvalidDocuments, read_documents
from cloche.control.provider_forms import PROVIDER_FORMS
from cloche.domain.endpoint import Configuration, Declaration, Properties, ServedEntity, default_entity_name, even_split
from cloche.domain.errors import InvalidFields
from cloche.wire.older_words import own_path
from cloche.wire.serving_reading import read_endpoint

_WATCHED = Properties(ai_gateway={"usage_tracking_config": {"enabled": True}})
"""How an endpoint begins that nobody has said anything of: its calls are counted, so that there is something to see."""


class InvalidConfiguration(Exception):
    """What the operator declared cannot be served; one line for each fault, with file, line and field path."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class Declared(msgspec.Struct, frozen=True):
    """Endpoints to serve: from a file or directory, and NAME=MODEL pairs from the settings."""

    file: Path | None
    local: Mapping[str, str]


class DeclaredEndpoints(NamedTuple):
    """The declared endpoints: first those of `documents`, in their order."""

    endpoints: list[Declaration]
    documents: Documents

    def told(self, index: int, path: str, what: str) -> str:
        """A fault at a path of a create body: with file and line, or of a model that the settings name."""
        if index < len(self.documents.bodies):
            return self.documents.told(index, own_path(self.documents.bodies[index], path), what)
        return f"endpoint '{self.endpoints[index].name}': {what}"


def declared_endpoints(declared: Declared) -> DeclaredEndpoints:
    """Every declared endpoint, checked.  InvalidConfiguration lists all faults."""
    documents = _read(declared.file)
    problems: list[str] = []
    endpoints = []
    seen = dict.fromkeys(declared.local, "the settings")
    for index, body in enumerate(documents.bodies):
        try:
            endpoint = read_endpoint(body, PROVIDER_FORMS)
        except InvalidFields as error:
            problems.extend(documents.told(index, field, what) for field, what in error.details)
            continue
        if endpoint.name in seen:
            said = f"an endpoint named '{endpoint.name}' is declared already, in {seen[endpoint.name]}"
            problems.append(documents.told(index, "name", said))
        seen[endpoint.name] = "a file"
        endpoints.append(endpoint)
    if problems:
        raise InvalidConfiguration(problems)
    endpoints.extend(_local_endpoint(name, model) for name, model in declared.local.items())
    return DeclaredEndpoints(endpoints, documents)


def _read(file: Path | None) -> Documents:
    if file is None:
        return Documents()
    try:
        return read_documents(file)
    except InvalidDocuments as error:
        raise InvalidConfiguration(error.problems) from None


def _local_endpoint(name: str, model: str) -> Declaration:
    entities = (ServedEntity(default_entity_name(model), entity_name=model, entity_version="1"),)
    return Declaration(name, Configuration(entities, even_split(entities)), at_first=_WATCHED)
