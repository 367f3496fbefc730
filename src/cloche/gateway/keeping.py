"""A way back to the client that remembers what goes by.  Must not know for whom it is remembered."""

from __future__ import annotations

from cloche.gateway.call import Reply
from cloche.gateway.kept_answers import MOST_BYTES, Kept


class Keeping:
    """A Reply that remembers what goes by, unless that is too much."""

    def __init__(self, reply: Reply) -> None:
        self._reply: Reply | None = reply
        self._streamed = False
        self._pieces: list[bytes] = []
        self._size = 0

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """Kept and passed on."""
        self._keep(body)
        assert self._reply is not None
        self._reply.whole(status, headers, body)

    def begin(self, headers: bytes) -> None:
        """Passed on."""
        self._streamed = True
        assert self._reply is not None
        self._reply.begin(headers)

    def send(self, data: bytes) -> None:
        """Kept and passed on."""
        self._keep(data)
        assert self._reply is not None
        self._reply.send(data)

    def finish(self) -> None:
        """Passed on."""
        assert self._reply is not None
        self._reply.finish()

    def release(self) -> None:
        """Let go of the reply, which holds the call."""
        self._reply = None
        self._pieces = []

    def kept(self) -> Kept | None:
        """What went by; None if it was too much."""
        return Kept(self._streamed, b"".join(self._pieces)) if self._size <= MOST_BYTES else None

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= MOST_BYTES:
            self._pieces.append(data)
        else:
            self._pieces = []
