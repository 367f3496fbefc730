"""Every configuration that an endpoint has had: looked at, compared, and brought back."""

from __future__ import annotations

from collections.abc import Callable

from cloche.control.endpoint_changes import EndpointChanges, change, named
from cloche.control.publish import Publisher
from cloche.domain.access import Caller
from cloche.domain.endpoint import Endpoint, Version
from cloche.domain.errors import NotFound
from cloche.store.work import Work
from cloche.wire.differences import Difference, differences
from cloche.wire.serving import config_body


class Versions:
    """The use-cases.  They are made with what Endpoints is made with."""

    def __init__(
        self, publisher: Publisher, now_ms: Callable[[], int], model_problem: Callable[[str], str | None]
    ) -> None:
        self._publisher = publisher
        self._changes = EndpointChanges(publisher, now_ms, model_problem)

    def all(self, name: str) -> tuple[Endpoint, list[Version]]:
        """An endpoint with its versions, the newest first.  EndpointNotFound."""
        with self._publisher.store.read() as work:
            endpoint = named(work, name)
            return endpoint, work.endpoints.versions(endpoint.id)

    def one(self, name: str, number: int) -> tuple[Endpoint, Version]:
        """An endpoint with one of its versions.  EndpointNotFound, NotFound."""
        with self._publisher.store.read() as work:
            endpoint = named(work, name)
            return endpoint, _numbered(work, endpoint, number)

    def compare(self, name: str, number: int, against: int | None) -> tuple[int, list[Difference]]:
        """The version that was compared with, and what is different in version `number`.

        `against`: that version, else the one in force.  EndpointNotFound, NotFound.
        """
        with self._publisher.store.read() as work:
            endpoint = named(work, name)
            before = endpoint.newest if against is None else _numbered(work, endpoint, against)
            after = _numbered(work, endpoint, number)
        return before.number, differences(config_body(before.configuration), config_body(after.configuration))

    def rollback(self, caller: Caller, name: str, number: int, *, dry_run: bool = False) -> Endpoint:
        """The endpoint with a new version that has the configuration of an earlier one.

        Raises as `Endpoints.update` does, and NotFound.
        """
        with change(self._publisher, keep=lambda: not dry_run) as work:
            endpoint = named(work, name)
            earlier = _numbered(work, endpoint, number)
            return self._changes.reconfigure(work, caller, endpoint, earlier.configuration, "endpoint.rollback")


def _numbered(work: Work, endpoint: Endpoint, number: int) -> Version:
    found = next((each for each in work.endpoints.versions(endpoint.id) if each.number == number), None)
    if found is None:
        raise NotFound(f"version: the endpoint '{endpoint.name}' has no version {number}")
    return found
