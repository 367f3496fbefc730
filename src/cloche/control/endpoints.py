"""What can be done with serving endpoints: make, change, remove; and what is said by whoever brings a version up.

Owns the order of each change.  Must not know HTTP or JSON, nor how a model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable

from cloche.control.auditing import note
from cloche.control.endpoint_changes import CONFIG, EndpointChanges, Rehearsal, change, named, told_at
from cloche.control.publish import Publisher
from cloche.control.usage import note_entities
from cloche.domain import rollout
from cloche.domain.access import Caller
from cloche.domain.endpoint import Configuration, Declaration, Endpoint, Properties, Update
from cloche.domain.errors import Conflict, NotFound
from cloche.store.endpoints import BuildLine
from cloche.store.work import Work


class Endpoints:
    """The use-cases.  `now_ms`: the clock.  `model_problem`: why a local model cannot be served here, if it cannot."""

    def __init__(
        self, publisher: Publisher, now_ms: Callable[[], int], model_problem: Callable[[str], str | None]
    ) -> None:
        self._publisher = publisher
        self._now_ms = now_ms
        self._changes = EndpointChanges(publisher, now_ms, model_problem)

    def create(self, caller: Caller, declaration: Declaration, *, rehearsal: Rehearsal | None = None) -> Endpoint:
        """A new endpoint.  With a rehearsal: what it would be, and nothing is changed.

        Raises AlreadyExists, QuotaExceeded, InvalidFields, PermissionDenied for a secret that the caller may not read.
        """
        with change(self._publisher, keep=lambda: rehearsal is None) as work:
            endpoint = self._changes.make(work, caller, declaration)
            self._changes.rehearse(work, endpoint, rehearsal)
            return endpoint

    def update(
        self,
        caller: Caller,
        name: str,
        configuration: Configuration,
        *,
        expected: int | None = None,
        rehearsal: Rehearsal | None = None,
    ) -> Endpoint:
        """The endpoint with a new version of its configuration.  With a rehearsal: what it would be, and nothing is
        changed.

        `expected`: the version that the caller believes to be in force; Conflict if another is, and while an update is
        under way.  Raises EndpointNotFound, InvalidFields with paths below the configuration, PermissionDenied.
        """
        below = told_at(lambda path: path.removeprefix(CONFIG))
        with below, change(self._publisher, keep=lambda: rehearsal is None) as work:
            endpoint = named(work, name)
            if expected is not None and expected != endpoint.newest.number:
                raise Conflict(
                    f"config_version: version {endpoint.newest.number} of the endpoint '{name}' is in force, "
                    f"not {expected}: look at it, then try again."
                )
            changed = self._changes.reconfigure(work, caller, endpoint, configuration, "endpoint.update")
            self._changes.rehearse(work, changed, rehearsal)
            return changed

    def change_properties(
        self, caller: Caller, name: str, action: str, changed: Callable[[Properties], Properties]
    ) -> Endpoint:
        """The endpoint with the properties that `changed` makes of its own.  `action`: how the audit log calls it.

        Raises EndpointNotFound, and whatever `changed` raises.
        """
        with self._publisher.change() as work:
            endpoint = named(work, name)
            properties = changed(endpoint.properties)
            return self._changes.set_properties(work, caller, endpoint, properties, action)

    def remove(self, caller: Caller, name: str) -> None:
        """Forget an endpoint.  Calls under way go on.  Raises EndpointNotFound."""
        with self._publisher.change() as work:
            self._changes.remove(work, caller, named(work, name))

    def note_probe(self, caller: Caller, name: str, entity: str | None) -> None:
        """Put into the audit log that somebody has the models of an endpoint tried, or one of them, at the expense of
        whose keys they are."""
        with self._publisher.store.write(publish=False) as work:
            after = {} if entity is None else {"served_entity_name": entity}
            note(work, caller, "endpoint.probe", name, self._now_ms(), after=after)

    # ---------------------------------------------------------------- bringing a version up

    def finish(self, endpoint_id: str, number: int) -> Endpoint:
        """The pending version of that number takes over.  NotFound if it is not pending any more."""
        with self._publisher.change() as work:
            endpoint = rollout.activate(_pending(work, endpoint_id, number), self._now_ms())
            work.endpoints.put(endpoint)
            note_entities(work, endpoint, self._publisher.store.key)
            return endpoint

    def fail(self, endpoint_id: str, number: int, reason: str) -> Endpoint:
        """The pending version of that number cannot serve.  NotFound if it is not pending any more."""
        with self._publisher.change() as work:
            endpoint = rollout.fail(_pending(work, endpoint_id, number), reason, self._now_ms())
            work.endpoints.put(endpoint)
            return endpoint

    def say(self, endpoint_id: str, number: int, entity: str, line: str) -> None:
        """Add a line to the build log of an entity, if the endpoint is still there."""
        with self._publisher.store.write(publish=False) as work:
            if work.endpoints.get(endpoint_id) is not None:
                work.endpoints.add_build_line(endpoint_id, BuildLine(number, entity, self._now_ms(), line))


def _pending(work: Work, endpoint_id: str, number: int) -> Endpoint:
    endpoint = work.endpoints.get(endpoint_id)
    waiting = endpoint is not None and endpoint.update is Update.IN_PROGRESS and endpoint.pending is not None
    if endpoint is None or not waiting or endpoint.pending is None or endpoint.pending.number != number:
        raise NotFound(f"version {number} of the endpoint with the id {endpoint_id} is not pending any more")
    return endpoint
