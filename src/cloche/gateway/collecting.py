"""An answer that is taken whole: its head and body are kept until it has all come.  Must not know what it is."""

from __future__ import annotations

from cloche.domain.errors import Problem, ProviderBroken

MAX_ANSWER = 128 * 1024 * 1024
"""Bytes of a whole answer; a provider that sends more is broken, and must not take the gateway's memory with it."""


class Collecting:
    """Half a Receiver: what is done with the answer, or with its failure, is the other half's."""

    __slots__ = ("_headers", "_parts", "_size", "_status")

    def __init__(self) -> None:
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._size = 0

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Keep the head until the body is there."""
        self._status = status
        self._headers = headers

    def on_data(self, data: bytes) -> None:
        """Collect."""
        self._parts.append(data)
        self._size += len(data)
        if self._size > MAX_ANSWER:
            self._stop(ProviderBroken("the provider's answer is larger than 128 MiB"))

    def _stop(self, problem: Problem) -> None:
        """Fail the call and stop the provider."""
        raise NotImplementedError

    def _body(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
