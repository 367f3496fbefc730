"""Making a change known to the calls that come after it: compile a candidate snapshot, which may fail, then swap it in,
which cannot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from cloche.control.endpoints import InvalidConfiguration
from cloche.domain.access import principal_named
from cloche.domain.endpoint import Endpoint
from cloche.domain.outbound import Timeouts
from cloche.providers.base import InvalidSettings
from cloche.snapshot import CompiledEndpoint, Grant, LocalModel, Slot, Snapshot, compile_endpoint
from cloche.store.database import Store


class Publisher:
    """Builds snapshots from the store and the declared endpoints."""

    def __init__(self, slot: Slot, store: Store, now_ms: Callable[[], int]) -> None:
        self._slot = slot
        self._store = store
        self._now_ms = now_ms
        self._one_at_a_time = threading.Lock()
        self._endpoints: Mapping[str, CompiledEndpoint] = {}

    def set_endpoints(
        self, endpoints: Iterable[Endpoint], local_models: Mapping[str, LocalModel], timeouts: Timeouts
    ) -> None:
        """Compile all endpoints and publish them.  InvalidConfiguration lists what cannot be bound."""
        problems: list[str] = []
        compiled = {}
        for endpoint in endpoints:
            try:
                compiled[endpoint.name] = compile_endpoint(endpoint, local_models, timeouts)
            except InvalidSettings as error:
                problems.extend(
                    f"endpoint '{endpoint.name}': external_model.{field}: {what}" for field, what in error.problems
                )
        if problems:
            raise InvalidConfiguration(problems)
        self._endpoints = compiled
        self.publish()

    def publish(self) -> None:
        """Put the current tokens and endpoints in force.

        What was committed before this is called is in force when it returns: use-cases run in threads, and one that
        read earlier must not swap later, or a revoked token would come back.
        """
        with self._one_at_a_time:
            tokens = {
                digest: Grant(principal_named(token.principal), token.expires_at)
                for digest, token in self._store.tokens.active(self._now_ms()).items()
            }
            self._slot.swap(Snapshot(self._slot.current().revision + 1, self._endpoints, tokens))
