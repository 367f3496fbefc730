"""The steps that changes of endpoints are made of, each within a transaction that somebody else has begun.

A configuration of external models takes over at once; one with local models is pending until the models are loaded,
which is not done here.  Either is bound before it is kept, so that a bad one is refused and leaves nothing behind.
Faults bear the paths of a create body.  Must not know HTTP.
"""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from cloche.control.auditing import note
from cloche.control.judges import check_judge
from cloche.control.publish import Publisher
from cloche.control.secrets import check_destinations, check_readable, forget_unused, keep_plaintext
from cloche.control.usage import note_entities
from cloche.domain import rollout
from cloche.domain.access import Caller, Level
from cloche.domain.endpoint import (
    MAX_ENDPOINTS,
    Configuration,
    Declaration,
    Endpoint,
    Properties,
    Version,
    change_problems,
)
from cloche.domain.errors import AlreadyExists, EndpointNotFound, InvalidFields, QuotaExceeded
from cloche.providers.base import InvalidSettings
from cloche.snapshot import CompiledEndpoint, Target
from cloche.store.work import Work, references_in
from cloche.wire.serving import create_body

CONFIG = "config."
"""Where a create body has its configuration: how the paths of faults begin here."""


class _Undone(Exception):
    """Ends a change that is not to be kept."""


class Rehearsal:
    """A change that is made only to see what it would be.  `targets`: the external entities, ready to be called."""

    def __init__(self) -> None:
        self.targets: list[Target] = []


@contextmanager
def change(publisher: Publisher, *, keep: Callable[[], bool]) -> Iterator[Work]:
    """One change, which is undone at its end unless it is to be kept.  As `Publisher.change` otherwise."""
    try:
        with publisher.change() as work:
            yield work
            if not keep():
                raise _Undone
    except _Undone:
        return


@contextmanager
def told_at(moved: Callable[[str], str]) -> Iterator[None]:
    """Faults of fields are told at other paths: `moved` makes them of those of a create body."""
    try:
        yield
    except InvalidFields as error:
        raise InvalidFields((moved(path), what) for path, what in error.details) from None


def named(work: Work, name: str) -> Endpoint:
    """The endpoint of that name.  EndpointNotFound."""
    endpoint = work.endpoints.named(name)
    if endpoint is None:
        raise EndpointNotFound(f"The serving endpoint '{name}' does not exist.")
    return endpoint


class EndpointChanges:
    """`model_problem`: why a local model cannot be served here, None if it can be."""

    def __init__(
        self, publisher: Publisher, now_ms: Callable[[], int], model_problem: Callable[[str], str | None]
    ) -> None:
        self._publisher = publisher
        self._now_ms = now_ms
        self._model_problem = model_problem

    def make(self, work: Work, caller: Caller, declaration: Declaration) -> Endpoint:
        """A new endpoint, which its creator may manage.  AlreadyExists, QuotaExceeded, InvalidFields,
        PermissionDenied."""
        if work.endpoints.named(declaration.name) is not None:
            raise AlreadyExists(f"An endpoint named '{declaration.name}' exists already: choose another name.")
        # Of Databricks' two limits this one is kept.  The other, 50 changes in five minutes, protects a shared service
        # from its tenants; here it would only stand in the way of whoever brings a whole configuration.
        if work.endpoints.count() >= MAX_ENDPOINTS:
            raise QuotaExceeded(f"There are {MAX_ENDPOINTS} endpoints already: delete one first.")
        if declaration.properties is not None:
            _check_tables(declaration.properties)
            _check_prices(declaration.properties, declaration.configuration)
            check_judge(work, caller.principal, declaration.name, declaration.properties, None)
        now = self._now_ms()
        endpoint = Endpoint(
            id=secrets.token_hex(16),
            name=declaration.name,
            creator=caller.principal.name,
            created_at=now,
            updated_at=now,
            properties=declaration.properties or declaration.at_first,
        )
        endpoint = self._begin(work, caller, endpoint, declaration.configuration)
        work.permissions.replace(endpoint.id, {caller.principal.id: Level.CAN_MANAGE})
        note(work, caller, "endpoint.create", endpoint.name, now, after=create_body(endpoint))
        return endpoint

    def reconfigure(
        self, work: Work, caller: Caller, endpoint: Endpoint, configuration: Configuration, action: str
    ) -> Endpoint:
        """The endpoint with a new version.  Conflict while another is under way; InvalidFields, PermissionDenied."""
        changed = self._begin(work, caller, endpoint, configuration)
        before, after = create_body(endpoint), create_body(changed, changed.pending or changed.active)
        note(work, caller, action, endpoint.name, self._now_ms(), before=before, after=after)
        return changed

    def set_properties(
        self, work: Work, caller: Caller, endpoint: Endpoint, properties: Properties, action: str
    ) -> Endpoint:
        """The endpoint with other properties, at once."""
        changed = replace(endpoint, properties=properties, updated_at=self._now_ms())
        work.endpoints.put(changed)
        if properties.ai_gateway != endpoint.properties.ai_gateway:
            _check_tables(properties)
            versions = (each for each in (endpoint.active, endpoint.pending) if each is not None)
            _check_prices(properties, *(each.configuration for each in versions))
            check_judge(work, caller.principal, endpoint.name, properties, endpoint.properties)
        before, after = create_body(endpoint), create_body(changed)
        note(work, caller, action, endpoint.name, self._now_ms(), before=before, after=after)
        return changed

    def remove(self, work: Work, caller: Caller, endpoint: Endpoint) -> None:
        """Forget an endpoint with its versions and what was kept for it."""
        note_entities(work, endpoint, self._publisher.store.key, deleted_at=self._now_ms())
        work.endpoints.remove(endpoint.id)
        forget_unused(work, endpoint.id)
        note(work, caller, "endpoint.delete", endpoint.name, self._now_ms(), before=create_body(endpoint))

    def kept(self, work: Work, endpoint: Endpoint, configuration: Configuration) -> Configuration:
        """The configuration as it would be kept: with references in place of plaintext.  InvalidFields."""
        return keep_plaintext(work, self._publisher.store.sealer, endpoint.id, configuration, self._now_ms())

    def rehearse(self, work: Work, endpoint: Endpoint, rehearsal: Rehearsal | None) -> None:
        """Put the targets of an endpoint of external models, which was just changed, into a rehearsal."""
        if rehearsal is not None and endpoint.active is not None and not endpoint.active.configuration.local_models:
            rehearsal.targets.extend(self._bound(work, endpoint, endpoint.active).targets.values())

    def _begin(self, work: Work, caller: Caller, endpoint: Endpoint, configuration: Configuration) -> Endpoint:
        now = self._now_ms()
        if endpoint.active is not None or endpoint.pending is not None:
            _refuse(change_problems(endpoint.newest.configuration, configuration))
        check_destinations(work, caller.principal, configuration, endpoint.id)
        configuration = self.kept(work, endpoint, configuration)
        check_readable(work, caller.principal, configuration, endpoint.id)
        version = Version(work.endpoints.next_number(endpoint.id), configuration, now, caller.principal.name)
        changed = rollout.begin(endpoint, version, now)
        self._check(work, changed, version)
        if not configuration.local_models:
            changed = rollout.activate(changed, now)
        work.endpoints.add_version(endpoint.id, version)
        work.endpoints.put(changed)
        if changed.active is version:
            note_entities(work, changed, self._publisher.store.key)
        return changed

    def _check(self, work: Work, endpoint: Endpoint, version: Version) -> None:
        """See that a version can be bound here, as far as that is known before it is loaded.  InvalidFields."""
        if version.configuration.local_models:
            entities = enumerate(version.configuration.entities)
            told = ((index, self._model_problem(entity.entity_name or "")) for index, entity in entities)
            _refuse((f"served_entities[{index}].entity_name", why) for index, why in told if why is not None)
            return
        try:
            self._bound(work, endpoint, version)
        except InvalidSettings as error:
            _refuse(error.problems)

    def _bound(self, work: Work, endpoint: Endpoint, version: Version) -> CompiledEndpoint:
        places = [place for entity in version.configuration.entities for place in references_in(entity.external_model)]
        return self._publisher.compiler.bound(endpoint, version, work.secrets.sealed(places))


def _refuse(problems: Iterable[tuple[str, str]]) -> None:
    """Raise InvalidFields if there are faults, given by their paths below the configuration."""
    told = [(CONFIG + path, what) for path, what in problems]
    if told:
        raise InvalidFields(told)


def _check_tables(properties: Properties) -> None:
    """A table that is promised and never written would be relied upon."""
    table = (properties.ai_gateway or {}).get("inference_table_config") or {}
    if table.get("enabled") and importlib.util.find_spec("deltalake") is None:
        told = "it needs deltalake, which is not installed: install cloche with its extra 'tables'"
        _refuse_properties([("inference_table_config.enabled", told)])


def _check_prices(properties: Properties, *configurations: Configuration) -> None:
    """The price of what is not there would be thought to be that of what is."""
    known = {entity.name for each in configurations for entity in each.entities}
    _refuse_properties(
        (f"prices[{index}].served_entity_name", f"'{each['served_entity_name']}' is no served entity of this endpoint")
        for index, each in enumerate((properties.ai_gateway or {}).get("prices") or [])
        if each["served_entity_name"] not in known
    )


def _refuse_properties(problems: Iterable[tuple[str, str]]) -> None:
    told = [("ai_gateway." + path, what) for path, what in problems]
    if told:
        raise InvalidFields(told)
