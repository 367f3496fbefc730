"""Looking things up in the audit log.  Entries are made by the use-cases, see auditing.py; nothing changes them."""

from __future__ import annotations

from cloche.store.audit import AuditEntry, AuditFilter
from cloche.store.database import Store


class Audit:
    """The use-case."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, wanted: AuditFilter) -> list[AuditEntry]:
        """The entries that fit, the newest first, `limit` of them at most.  Raises StoreUnreachable."""
        with self._store.read() as work:
            return work.audit.find(wanted)
