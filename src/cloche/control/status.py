"""How endpoints are doing on this host, in the words of the API: what the engines say, put next to what was configured.

Must not know where the engines are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cloche.domain.endpoint import Endpoint, ServedEntity, Update, Version
from cloche.snapshot import LocalModels, Snapshot
from cloche.wire.serving import Deployment, EndpointStatus


class Statuses:
    """`models`: of this host.  `current`: the snapshot in force.  `circuits`: how the circuit breakers of an endpoint's
    entities are, by its id."""

    def __init__(
        self, models: LocalModels, current: Callable[[], Snapshot], circuits: Callable[[str], Mapping[str, str]]
    ) -> None:
        self._models = models
        self._current = current
        self._circuits = circuits

    def of(self, endpoint: Endpoint) -> EndpointStatus:
        """Whether an endpoint can serve, and how each of its entities is doing."""
        active = {} if endpoint.active is None else self._deployments(endpoint.active)
        compiled = self._current().endpoints.get(endpoint.name)
        # While the engines of a new version are loaded here, the one before serves.
        stands_in = compiled is not None and compiled.outdated
        ready = bool(active) and (stands_in or all(state == "DEPLOYMENT_READY" for state, _ in active.values()))
        return EndpointStatus(ready, active, self._pending(endpoint), self._circuits(endpoint.id))

    def _deployments(self, version: Version) -> dict[str, tuple[Deployment, str]]:
        return {entity.name: self._deployment(entity) for entity in version.configuration.entities}

    def _deployment(self, entity: ServedEntity) -> tuple[Deployment, str]:
        if entity.entity_name is None:
            return "DEPLOYMENT_READY", ""
        deployment, message = self._models.condition(entity.entity_name)
        return deployment, message

    def _pending(self, endpoint: Endpoint) -> dict[str, tuple[Deployment, str]]:
        if endpoint.pending is None:
            return {}
        if endpoint.update is Update.IN_PROGRESS:
            return self._deployments(endpoint.pending)
        names = [entity.name for entity in endpoint.pending.configuration.entities]
        at_fault = [name for name in names if endpoint.update_message.startswith(at_fault_prefix(name))] or names
        return {
            name: ("DEPLOYMENT_FAILED", endpoint.update_message)
            if name in at_fault and endpoint.update is Update.UPDATE_FAILED
            else ("DEPLOYMENT_ABORTED", "")
            for name in names
        }


def at_fault_prefix(entity: str) -> str:
    """How the reason of a failed update begins that is one entity's."""
    return f"served entity '{entity}': "
