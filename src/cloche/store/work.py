"""One transaction: every table within it, and the whole state as it sees it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from cloche.domain.endpoint import Endpoint
from cloche.domain.state import State
from cloche.store.audit import AuditTable
from cloche.store.budgets import BudgetTable
from cloche.store.calls import CallTable
from cloche.store.endpoints import EndpointTable
from cloche.store.meta import MetaTable
from cloche.store.oauth import ClientSecretTable, SigningKeyTable
from cloche.store.people import GroupTable, IdentityTable
from cloche.store.permissions import PermissionTable
from cloche.store.secrets import SecretTable
from cloche.store.tables import revision
from cloche.store.tokens import TokenTable
from cloche.store.usage import UsageTable

REFERENCE = re.compile(r"\{\{secrets/([A-Za-z0-9._-]{1,128})/([A-Za-z0-9._-]{1,128})\}\}")
"""A reference to a secret: the whole of a value, `{{secrets/SCOPE/KEY}}`."""


class Work:
    """The tables, within one transaction.  What is done here is done when the transaction commits, or not at all."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.meta = MetaTable(connection)
        self.identities = IdentityTable(connection)
        self.groups = GroupTable(connection)
        self.tokens = TokenTable(connection)
        self.client_secrets = ClientSecretTable(connection)
        self.signing_keys = SigningKeyTable(connection)
        self.endpoints = EndpointTable(connection)
        self.permissions = PermissionTable(connection)
        self.secrets = SecretTable(connection)
        self.audit = AuditTable(connection)
        self.usage = UsageTable(connection)
        self.budgets = BudgetTable(connection)
        self.calls = CallTable(connection)

    def revision(self) -> int:
        """The number that grows with every published change."""
        return int(self._connection.execute(select(revision.c.number)).scalar_one())

    def advance(self) -> None:
        """Make the revision one more.  Until the transaction ends no other one can do so: changes take turns."""
        self._connection.execute(update(revision).values(number=revision.c.number + 1))

    def state(self) -> State:
        """Everything that is in force."""
        endpoints = self.endpoints.all()
        return State(
            revision=self.revision(),
            identities=tuple(self.identities.all()),
            groups=tuple(self.groups.all()),
            tokens=tuple(self.tokens.by_digest()),
            client_secrets=tuple(self.client_secrets.all()),
            signing_keys=tuple(self.signing_keys.all()),
            endpoints=tuple(endpoints),
            permissions=tuple(self.permissions.all()),
            secrets=tuple(self.secrets.sealed(references(endpoints))),
            budgets=tuple(self.budgets.all()),
        )


def references(endpoints: Iterable[Endpoint]) -> Iterator[tuple[str, str]]:
    """(scope, key) of every secret that the active and pending configurations refer to."""
    for endpoint in endpoints:
        for version in (endpoint.active, endpoint.pending):
            for entity in () if version is None else version.configuration.entities:
                if entity.external_model is not None:
                    yield from references_in(entity.external_model.settings)


def references_in(value: Any) -> Iterator[tuple[str, str]]:
    """(scope, key) of every reference in a settings object."""
    if isinstance(value, str):
        found = REFERENCE.fullmatch(value)
        if found:
            yield found[1], found[2]
    elif isinstance(value, dict):
        for inner in value.values():
            yield from references_in(inner)
    elif isinstance(value, msgspec.Struct):
        yield from references_in(msgspec.structs.asdict(value))
