"""An answer that goes on: pieces are sent as they come, until there are no more or the client leaves.

Must not know what is told, nor to whom.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cloche.http.context import Streamed
from cloche.telemetry import Outcome

log = logging.getLogger("cloche.http")


class StreamedResponse(Response):
    """The ASGI side of a Streamed.  `ended` is told how it came to its end: it was complete, or the client left."""

    def __init__(self, streamed: Streamed, headers: Mapping[str, str], ended: Callable[[Outcome], None]) -> None:
        super().__init__(None, 200, {**headers, **dict(streamed.headers)}, media_type=streamed.media_type)
        del self.headers["content-length"]
        self._streamed = streamed
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until either side has enough."""
        gone = asyncio.create_task(until_gone(receive))
        sending = asyncio.create_task(self._send(send))
        outcome: Outcome = "cancelled"
        try:
            await asyncio.wait((gone, sending), return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not gone.done():
                outcome = "error" if sending.exception() is not None else "ok"
        finally:
            gone.cancel()
            sending.cancel()
            told = await asyncio.gather(gone, sending, return_exceptions=True)
            self._streamed.close()
            self._ended(outcome)
        if outcome == "error":
            log.error("a stream failed inside cloche", exc_info=told[1] if isinstance(told[1], Exception) else None)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in self._streamed.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def until_gone(receive: Receive) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
