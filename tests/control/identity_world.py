"""A home with the identity use-cases over it, its clock, and an endpoint that permissions can be about."""

from __future__ import annotations

import time
from pathlib import Path

from cloche.control.compiling import Compiler
from cloche.control.oauth import OAuth
from cloche.control.people import People
from cloche.control.permissions import Permissions
from cloche.control.publish import Publisher
from cloche.control.tokens import Tokens
from cloche.domain.access import ADMIN_ID, Caller, Group, Identity, Kind
from cloche.domain.endpoint import Configuration, Endpoint, Properties, Version
from cloche.domain.outbound import Timeouts
from cloche.gateway.admission import Admission
from cloche.snapshot import Grant, LocalModel, Slot, Snapshot
from cloche.store.audit import AuditFilter
from cloche.store.database import Store, open_store

ENDPOINT = "e" * 32
HOUR = 3_600_000


def _no_models(name: str) -> LocalModel:
    raise AssertionError(name)


class World:
    """Everything, on a real database."""

    def __init__(self, home: Path) -> None:
        self.store: Store = open_store(home, [b"m" * 32])
        self.now = int(time.time() * 1000)
        compiler = Compiler(self.store.sealer.open, _no_models, Timeouts())
        self.publisher = Publisher(Slot(Snapshot(0, {}, {})), self.store, compiler)
        self.people = People(self.publisher, self.clock)
        self.tokens = Tokens(self.publisher, self.clock)
        self.oauth = OAuth(self.publisher, self.clock)
        self.permissions = Permissions(self.publisher, self.clock)
        self.admission = Admission(self.store.key)
        version = Version(1, Configuration((), ()), self.now, "admin")
        with self.publisher.change() as work:
            work.endpoints.add_version(ENDPOINT, version)
            work.endpoints.put(Endpoint(ENDPOINT, "chat", "admin", self.now, self.now, Properties(), version))

    def clock(self) -> int:
        """The time of the use-cases, Unix milliseconds."""
        return self.now

    def caller(self, principal_id: str = ADMIN_ID) -> Caller:
        """Somebody who is active."""
        return Caller(self.publisher.current().principals[principal_id], "127.0.0.1", "r1")

    def user(self, name: str) -> Identity:
        """A new user."""
        return self._made(Kind.USER, name)

    def robot(self, name: str) -> Identity:
        """A new service principal."""
        return self._made(Kind.SERVICE_PRINCIPAL, name)

    def group(self, name: str, *members: str) -> Group:
        """A new group."""
        fresh = frozenset(members)
        return self.people.add_group(self.caller(), lambda kept, _: Group(kept.id, name, fresh))

    def members(self, group_id: str, *members: str) -> Group:
        """A group with these members and no others."""

        def edit(kept: Group, _: object) -> Group:
            return Group(kept.id, kept.name, frozenset(members), created_at=kept.created_at)

        return self.people.change_group(self.caller(), group_id, edit)

    def active(self, identity: Identity, *, active: bool) -> Identity:
        """A user or service principal, let in or kept out."""

        def edit(kept: Identity, _: object) -> Identity:
            return Identity(kept.id, kept.kind, kept.name, kept.display_name, active)

        return self.people.change(self.caller(), identity.kind, identity.id, edit)

    def grant(self, token: str) -> Grant:
        """What a token is good for.  Unauthenticated."""
        return self.admission.authenticate(b"Bearer " + token.encode(), self.publisher.current())

    def actions(self) -> list[str]:
        """What the audit log tells was done, the newest first."""
        with self.store.read() as work:
            return [entry.action for entry in work.audit.find(AuditFilter())]

    def _made(self, kind: Kind, name: str) -> Identity:
        return self.people.add(self.caller(), kind, lambda fresh, _: Identity(fresh.id, kind, fresh.name or name, name))
