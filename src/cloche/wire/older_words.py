"""The older words of endpoint bodies, which mean the same: faults are told in those that the client used.

Whoever judges a configuration names its parts in the newer words, and so do the paths of what they find.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from cloche.codec.json_faults import below
from cloche.domain.errors import InvalidFields

NEWER = MappingProxyType(
    {
        "served_models": "served_entities",
        "model_name": "entity_name",
        "model_version": "entity_version",
        "served_model_name": "served_entity_name",
    }
)
"""The newer word for each older one."""

_OLDER = {newer: older for older, newer in NEWER.items()}
_STEP = re.compile(r"\[\d+\]|[^.\[]+")


@contextmanager
def in_words_of(body: Any) -> Iterator[None]:
    """Faults of a decoded body are told at the paths that it has itself."""
    try:
        yield
    except InvalidFields as error:
        raise InvalidFields((own_path(body, path), what) for path, what in error.details) from None


def own_path(value: Any, path: str) -> str:
    """The path in a body's own words: with an older one for each step that the body has under that one only."""
    told = ""
    for step in _STEP.findall(path):
        older = _OLDER.get(step)
        if isinstance(value, dict):
            step = older if older is not None and value.get(step) is None and value.get(older) is not None else step
            value = value.get(step)
        elif isinstance(value, list) and step.startswith("["):
            index = int(step[1:-1])
            value = value[index] if index < len(value) else None
        told = below(told, step)
    return told
