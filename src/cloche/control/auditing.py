"""Entries of the audit log: made by the use-cases, in the transaction of what they tell of.

What was before and what is after is told without secrets: whatever bears a name of a credential is masked, whoever
put it there, and references to secrets are left, because they say what an operator needs to know.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from cloche.domain.access import Caller
from cloche.store.audit import AuditEntry
from cloche.store.work import REFERENCE, Work

_MASK = "***"

_SECRET_NAME = re.compile(
    r"secret(?!_id$)|password|passphrase|plaintext|private|credential|authorization$"
    r"|(^|_)(api|access|master|signing)_?key(_id)?$|(^|_)token(_value)?$|^(string|bytes)_value$"
)
"""What names of credentials look like, in the settings of every provider and in the bodies of the API."""

_AUTH = re.compile(r"_auth$")
"""An object of this name holds a header's name as `key`, and everything else in it is secret."""


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
    """The value, plain dicts and lists, with every credential in it masked, whatever type it has."""
    words = _words(name)
    if _SECRET_NAME.search(words):
        return value if value is None or _is_reference(value) else _MASK
    if isinstance(value, dict):
        if _AUTH.search(words):
            return {str(key): inner if key == "key" else masked(inner, "secret") for key, inner in value.items()}
        return {str(key): masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):  # msgspec leaves tuples as they are
        return [masked(inner, name) for inner in value]
    return value


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and REFERENCE.fullmatch(value) is not None


def _words(name: str) -> str:
    """`apiKey`, `api-key` and `API_KEY` as `api_key`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
