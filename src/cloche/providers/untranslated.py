"""Models whose settings are checked and whose dialect is not spoken yet: a call is told so, with 501."""

from __future__ import annotations

from typing import NoReturn

from cloche.domain.chat import ChatRequest
from cloche.domain.errors import NotSupported, Problem
from cloche.providers.base import refusal


class Untranslated:
    """Stands where a translator will be.  `what`: whose models they are, or what they do."""

    __slots__ = ("_what", "model")

    def __init__(self, what: str, model: str) -> None:
        self.model = model
        self._what = what

    def encode(self, request: ChatRequest, *, stream: bool) -> NoReturn:
        """NotSupported."""
        raise NotSupported(f"this version of cloche keeps endpoints of {self._what}, but cannot call them")

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """Never asked: nothing is sent."""
        return refusal(self._what, status, headers, body)
