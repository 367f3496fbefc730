"""Providers whose settings are checked and whose dialect is not spoken yet: a call is told so, with 501."""

from __future__ import annotations

from typing import NoReturn

from cloche.domain.chat import ChatRequest
from cloche.domain.errors import NotSupported, Problem
from cloche.providers.base import refusal


class Untranslated:
    """Stands where a provider's translator will be."""

    __slots__ = ("_provider", "model")

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self.model = model

    def encode(self, request: ChatRequest, *, stream: bool) -> NoReturn:
        """NotSupported."""
        raise NotSupported(
            f"this version of cloche keeps endpoints of the provider '{self._provider}', but cannot call it"
        )

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """Never asked: nothing is sent."""
        return refusal(self._provider, status, headers, body)
