"""The use-cases of endpoints over a real store, on a host that can serve the local model `small` and no other."""

from __future__ import annotations

from typing import Any, cast

from cloche.control.compiling import Compiler
from cloche.control.configuration import Configurations
from cloche.control.endpoint_changes import Rehearsal
from cloche.control.endpoints import Endpoints
from cloche.control.publish import Publisher
from cloche.control.versions import Versions
from cloche.domain.endpoint import Configuration, Declaration, Endpoint, Route, ServedEntity
from cloche.domain.outbound import Timeouts
from cloche.domain.reach import Reach
from cloche.snapshot import LocalModel, Slot, Snapshot
from cloche.store.database import Store

from .installation import ADMIN, audit_log, configuration, now_ms, openai_entity

PLAIN = configuration(openai_entity(openai_api_key_plaintext="sk-canary"))
OTHER = configuration(openai_entity("b", openai_api_key_plaintext="sk-canary"))
LOCAL = Configuration((ServedEntity("own", entity_name="small"),), (Route("own", 100),))


class Loaded:
    """A model whose engine is there, and which nobody calls."""

    available = True
    timeouts = Timeouts()


class Plane:
    """The use-cases."""

    def __init__(self, store: Store, reach: Reach = Reach()) -> None:  # noqa: B008 (frozen)
        compiler = Compiler(store.sealer.open, lambda _: cast(LocalModel, Loaded()), Timeouts(), reach)
        self.store = store
        self.publisher = Publisher(Slot(Snapshot(0, {}, {})), store, compiler)
        self.publisher.refresh()
        self.endpoints = Endpoints(self.publisher, now_ms, problem)
        self.versions = Versions(self.publisher, now_ms, problem)
        self.configurations = Configurations(self.publisher, now_ms, problem)

    def create(
        self, wanted: Configuration = PLAIN, name: str = "chat", *, rehearsal: Rehearsal | None = None
    ) -> Endpoint:
        """A new endpoint of the administrator's."""
        return self.endpoints.create(ADMIN, Declaration(name, wanted), rehearsal=rehearsal)

    def apply(self, *declarations: Declaration, **options: Any) -> dict[str, str]:
        """What applying does, by endpoint; its words are looked at on the way."""
        applied = self.configurations.apply(ADMIN, declarations, **options)
        assert applied.applied is not options.get("dry_run", False)
        assert all(not each.diff for each in applied.changes if each.action == "unchanged")
        return {each.name: each.action for each in applied.changes}

    def kept(self, name: str = "chat") -> Endpoint:
        """The endpoint as it is in force."""
        return self.publisher.current().endpoints[name].endpoint

    def actions(self) -> list[str]:
        """What the audit log has, the oldest first."""
        return [entry.action for entry in audit_log(self.store)]


def problem(model: str) -> str | None:
    """Why a model cannot be served here."""
    return None if model == "small" else f"there is no model '{model}'"
