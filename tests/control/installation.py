"""A control plane over a real database, without a server: what the tests of use-cases stand on."""

from __future__ import annotations

from typing import NoReturn

from cloche.control.compiling import Compiler
from cloche.control.publish import Publisher
from cloche.domain.access import ADMIN_ID, ADMINS_ID, MAY_CREATE, Caller, Group, Identity, Kind, Principal
from cloche.domain.endpoint import Configuration, Endpoint, ExternalModel, Properties, Route, ServedEntity, Version
from cloche.domain.outbound import Timeouts
from cloche.snapshot import Slot, Snapshot
from cloche.store.audit import AuditEntry, AuditFilter
from cloche.store.database import Store

NOW = 1_700_000_000_000
ADMIN = Caller(Principal(ADMIN_ID, "admin", admin=True, groups=frozenset((ADMINS_ID,))), "127.0.0.1", "request-1")
ENDPOINT_ID = "e" * 32


def now_ms() -> int:
    """A clock that stands."""
    return NOW


def publisher(store: Store) -> Publisher:
    """What changes go through; there are no local models."""
    made = Publisher(Slot(Snapshot(0, {}, {})), store, Compiler(store.sealer.open, _no_model, Timeouts()))
    made.refresh()
    return made


def _no_model(name: str) -> NoReturn:
    raise AssertionError(f"no test here has the local model {name}")


def add_user(store: Store, name: str, *groups: str) -> Caller:
    """A user who may make scopes, in new groups of these names, as a caller."""
    with store.write() as work:
        work.identities.put(Identity(f"id-{name}", Kind.USER, name, name, entitlements=(MAY_CREATE,)))
        for group in groups:
            work.groups.put(Group(f"id-{group}", group, frozenset((f"id-{name}",))))
    inside = frozenset(f"id-{group}" for group in groups)
    return Caller(Principal(f"id-{name}", name, may_create=True, groups=inside), "10.0.0.1", "request-2")


def openai_entity(name: str = "gpt", **settings: str) -> ServedEntity:
    """A served entity of the provider openai."""
    return ServedEntity(name, ExternalModel("gpt-4o", "openai", "llm/v1/chat", dict(settings)))


def configuration(*entities: ServedEntity) -> Configuration:
    """A configuration that sends everything to the first entity."""
    routes = tuple(Route(entity.name, 0 if index else 100) for index, entity in enumerate(entities))
    return Configuration(entities, routes)


def serve(made: Publisher, wanted: Configuration, number: int = 1, name: str = "bot") -> None:
    """Let the endpoint of the tests serve a configuration as a new version."""
    with made.change() as work:
        version = Version(number, wanted, NOW, "admin")
        work.endpoints.add_version(ENDPOINT_ID, version)
        work.endpoints.put(Endpoint(ENDPOINT_ID, name, "admin", NOW, NOW, Properties(), version))


def audit_log(store: Store) -> list[AuditEntry]:
    """Every entry, the oldest first."""
    with store.read() as work:
        return work.audit.find(AuditFilter(limit=1000))[::-1]
