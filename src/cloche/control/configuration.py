"""Every endpoint at once, as declared: exported as create bodies, and brought to what a list of declarations says.

Applying is one change, whole or not at all, and says what it did; applied again it does nothing.  An update that is
under way gives way to what is declared.  Must not know files or HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from cloche.control.endpoint_changes import EndpointChanges, change
from cloche.control.publish import Publisher
from cloche.domain import rollout
from cloche.domain.access import Caller
from cloche.domain.endpoint import Declaration, Endpoint, Update
from cloche.domain.errors import InvalidFields
from cloche.store.work import Work
from cloche.wire.differences import Difference, differences
from cloche.wire.serving import create_body

Action = Literal["create", "update", "delete", "unchanged"]


class EndpointChange(msgspec.Struct, frozen=True):
    """What applying does to one endpoint."""

    name: str
    action: Action
    diff: list[Difference]


class Applied(msgspec.Struct, frozen=True):
    """What applying did, or would do if it were not a dry run: then `applied` is false."""

    changes: list[EndpointChange]
    applied: bool


class Configurations:
    """The use-cases.  They are made with what Endpoints is made with."""

    def __init__(
        self, publisher: Publisher, now_ms: Callable[[], int], model_problem: Callable[[str], str | None]
    ) -> None:
        self._publisher = publisher
        self._now_ms = now_ms
        self._changes = EndpointChanges(publisher, now_ms, model_problem)

    def export(self) -> list[dict[str, Any]]:
        """The create body of every endpoint, with references in place of credentials, and without permissions."""
        return [create_body(endpoint) for endpoint in self._publisher.current().state.endpoints]

    def apply(
        self, caller: Caller, declarations: Sequence[Declaration], *, prune: bool = False, dry_run: bool = False
    ) -> Applied:
        """Bring the endpoints to what is declared.  `prune`: remove those that are not declared.

        `dry_run`: tell what would be done.  Raises InvalidFields with every fault, whose paths begin with
        `endpoints[INDEX]`; QuotaExceeded, PermissionDenied.
        """
        _refuse_same_names(declarations)
        changes: list[EndpointChange] = []
        faults: list[tuple[str, str]] = []

        def keep() -> bool:
            return not dry_run and any(each.action != "unchanged" for each in changes)

        with change(self._publisher, keep=keep) as work:
            if prune:
                changes.extend(self._remove_others(work, caller, {each.name for each in declarations}))
            for index, declaration in enumerate(declarations):
                try:
                    changes.append(self._apply_one(work, caller, declaration))
                except InvalidFields as error:
                    faults.extend((f"endpoints[{index}].{path}", what) for path, what in error.details)
            if faults:
                raise InvalidFields(faults)
        return Applied(changes, applied=not dry_run)

    def _apply_one(self, work: Work, caller: Caller, declaration: Declaration) -> EndpointChange:
        endpoint = work.endpoints.named(declaration.name)
        if endpoint is None:
            made = self._changes.make(work, caller, declaration)
            return EndpointChange(made.name, "create", differences(None, create_body(made)))
        wanted = self._changes.kept(work, endpoint, declaration.configuration)
        current = endpoint.pending if endpoint.update is Update.IN_PROGRESS else endpoint.active
        before, changed, version = create_body(endpoint, current), endpoint, current
        if declaration.properties is not None and declaration.properties != endpoint.properties:
            changed = self._changes.set_properties(work, caller, changed, declaration.properties, "endpoint.update")
        if current is None or wanted != current.configuration:
            given_up = rollout.cancel(changed, self._now_ms())
            changed = self._changes.reconfigure(work, caller, given_up, wanted, "endpoint.update")
            version = changed.pending or changed.active
        action: Action = "unchanged" if changed is endpoint else "update"
        return EndpointChange(endpoint.name, action, differences(before, create_body(changed, version)))

    def _remove_others(self, work: Work, caller: Caller, names: set[str]) -> list[EndpointChange]:
        others: list[Endpoint] = [each for each in work.endpoints.all() if each.name not in names]
        for endpoint in others:
            self._changes.remove(work, caller, endpoint)
        return [EndpointChange(each.name, "delete", differences(create_body(each), None)) for each in others]


def _refuse_same_names(declarations: Sequence[Declaration]) -> None:
    seen: set[str] = set()
    faults = []
    for index, declaration in enumerate(declarations):
        if declaration.name in seen:
            faults.append((f"endpoints[{index}].name", f"'{declaration.name}' is the name of another endpoint"))
        seen.add(declaration.name)
    if faults:
        raise InvalidFields(faults)
