"""A provider that does at random what providers do, and keeps a ledger of it: the test's own account of every call.

What it does to a call follows from the call's name and how often it was asked: runs repeat.  It speaks OpenAI's
dialect over bare sockets, in one thread of its own.  Must not know cloche.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

KINDS = {"ok": 60, "slow": 8, "failed": 8, "busy": 8, "cut": 8, "reset": 8}
"""What it does, in hundredths."""

SLOW_SECONDS = 0.02


class Deed(NamedTuple):
    """What was done to one attempt.  The tokens are those that a whole answer tells."""

    kind: str
    prompt_tokens: int
    completion_tokens: int


class Fickle:
    """Listens on a free port of loopback.  `ledger`: the deeds for each name, in order."""

    def __init__(self, seed: int) -> None:
        self.port = 0
        self.ledger: dict[str, list[Deed]] = {}
        self._seed = seed

    @contextmanager
    def running(self) -> Iterator[Fickle]:
        """It answers while the block lasts."""
        ready, loop = threading.Event(), asyncio.new_event_loop()
        ends = asyncio.Event()

        async def serve() -> None:
            server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=512)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await ends.wait()
            server.close()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
        thread.start()
        ready.wait()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(ends.set)
            thread.join()
            loop.run_until_complete(_end_all(loop))
            loop.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._call(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One call; whether the connection may be used again."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        deed = self._decide(body["messages"][0]["content"])
        if deed.kind == "reset":
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        if deed.kind in ("failed", "busy"):
            status = 500 if deed.kind == "failed" else 429
            writer.write(_message(status, "application/json", b'{"error":{"message":"no","type":"x"}}'))
            return True
        if deed.kind == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        stream = bool(body.get("stream"))
        answer = _stream(deed) if stream else json.dumps(_whole(deed)).encode()
        message = _message(200, "text/event-stream" if stream else "application/json", answer)
        if deed.kind == "cut":
            writer.write(message[: -len(answer) // 2])
            return False
        writer.write(message)
        return True

    def _decide(self, name: str) -> Deed:
        deeds = self.ledger.setdefault(name, [])
        dice = random.Random(f"{self._seed} {name} {len(deeds)}")
        (kind,) = dice.choices(list(KINDS), list(KINDS.values()))
        deed = Deed(kind, dice.randrange(1, 1000), dice.randrange(1, 1000))
        deeds.append(deed)
        return deed


async def _end_all(loop: asyncio.AbstractEventLoop) -> None:
    """Connections that are still open are left by their tasks."""
    tasks = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.05)  # what was closed says so to its transport in a turn of its own


def _message(status: int, kind: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def _usage(deed: Deed) -> dict[str, int]:
    total = deed.prompt_tokens + deed.completion_tokens
    return {
        "prompt_tokens": deed.prompt_tokens,
        "completion_tokens": deed.completion_tokens,
        "total_tokens": total,
    }


def _whole(deed: Deed) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
    return {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": _usage(deed),
    }


def _stream(deed: Deed) -> bytes:
    deltas = [({"role": "assistant", "content": ""}, None), ({"content": "Yes."}, None), ({}, "stop")]
    chunks: list[dict[str, Any]] = [
        {
            "id": "c-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        }
        for delta, reason in deltas
    ]
    chunks.append({**chunks[0], "choices": [], "usage": _usage(deed)})
    return b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in chunks) + b"data: [DONE]\n\n"
