"""What became of a request's fields on their way to a provider that speaks another dialect: nothing happens silently.

Passed on as they are; mapped to the provider's own; emulated by other means; clamped to what the provider takes; or
dropped, because the provider has nothing like it.  The caller sees the report, and may ask to be refused instead.
Must not know providers.
"""

from __future__ import annotations

import re
from typing import Literal

from cloche.domain.errors import BadRequest

Fate = Literal["passed", "mapped", "emulated", "clamped", "dropped"]

_LOSSY = ("clamped", "dropped")

_NOT_SHOWN = re.compile(r"[^A-Za-z0-9_.\[\]-]")
"""What a field's name cannot bear into a header: it may be the client's own invention, line breaks and all."""


class Report:
    """The fates of one request's fields.  `strict`: whatever would be clamped or dropped is refused."""

    __slots__ = ("_fates", "_strict")

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._fates: dict[str, Fate] = {}

    def note(self, fate: Fate, field: str, why: str = "") -> None:
        """A field's fate; the last one counts.  BadRequest where it is not to be borne."""
        if self._strict and fate in _LOSSY:
            raise BadRequest(
                f"{field}: this provider does not take it as it is ({why or fate}), and strict_params is set"
            )
        self._fates[field] = fate

    def fates(self) -> dict[str, list[str]]:
        """Fields by fate, in the order they were noted."""
        found: dict[str, list[str]] = {}
        for field, fate in self._fates.items():
            found.setdefault(fate, []).append(field)
        return found

    def header(self) -> str:
        """`mapped=max_tokens,stop; dropped=seed`, for a response header; empty where there is nothing to tell."""
        return "; ".join(
            f"{fate}={','.join(_NOT_SHOWN.sub('?', field) for field in fields)}"
            for fate, fields in self.fates().items()
        )
