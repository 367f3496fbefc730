"""Entries of the audit log: made by the use-cases, in the transaction of what they tell of.

What was before and what is after is told without secrets: whatever bears a name of a credential is masked, whoever put it
there, and references to secrets are left, because they say what an operator needs to know.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cloche.domain.access import Caller
from cloche.store.audit import AuditEntry
from cloche.store.work import REFERENCE, Work

_MASK = "***"
_SECRET_WORDS = ("_key", "token", "secret", "password", "plaintext", "private")


def note(work: Work, caller: Caller, action: str, target: str, now_ms: int, **change: object) -> None:
    """Add an entry.  `before` and `after`: anything msgspec can encode, or nothing."""
    work.audit.add(
        AuditEntry(
            at=now_ms,
            principal_id=caller.principal.id,
            principal=caller.principal.name,
            address=caller.address,
            request_id=caller.request_id,
            action=action,
            target=target,
            before=_told(change.get("before")),
            after=_told(change.get("after")),
        )
    )


def _told(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(masked(msgspec.to_builtins(value))).decode()


def masked(value: Any, name: str = "") -> Any:
    """The value with every credential in it masked."""
    if isinstance(value, dict):
        return {key: masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner, name) for inner in value]
    secret = isinstance(value, str) and any(word in name.lower() for word in _SECRET_WORDS)
    return _MASK if secret and not REFERENCE.fullmatch(value) else value
