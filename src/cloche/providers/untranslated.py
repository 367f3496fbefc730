"""Models whose settings are checked and whose dialect is not spoken yet: a call is told so, with 501."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn

from cloche.domain.chat import ChatRequest, FinishReason
from cloche.domain.errors import NotSupported, Problem
from cloche.domain.translation import Report
from cloche.providers.base import refusal


class Untranslated:
    """Stands where a translator will be.  `what`: whose models they are, or what they do."""

    __slots__ = ("_what", "model")

    def __init__(self, what: str, model: str) -> None:
        self.model = model
        self._what = what

    @property
    def differs(self) -> bool:
        """Nothing is sent that could differ."""
        return False

    @property
    def finishes(self) -> Mapping[str, FinishReason | None]:
        """Nothing is answered."""
        return MappingProxyType({})

    def note(self, request: ChatRequest, report: Report) -> None:
        """Nothing becomes of the fields: `encode` refuses."""

    def encode(self, request: ChatRequest, *, stream: bool) -> NoReturn:
        """NotSupported."""
        raise NotSupported(f"this version of cloche keeps endpoints of {self._what}, but cannot call them")

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """Never asked: nothing is sent."""
        return refusal(self._what, status, headers, body)
