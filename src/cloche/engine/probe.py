"""Asks an engine how it is, over its own socket: a few lines of HTTP/1.1, a new connection each time.

The supervisor needs two questions answered and no more, and this layer must not know the client in `upstream/`, which
has its own reasons to change.
"""

from __future__ import annotations

import asyncio

HEALTH = b"GET /health HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n"
FIRST_TOKEN = b'{"messages":[{"role":"user","content":"Hi"}],"max_tokens":1}'
MAX_ANSWER = 65_536


async def healthy(socket_path: str, seconds: float) -> bool:
    """Whether GET /health is answered with 200 in time.  Nothing else is safe to ask often: other questions hide from
    the engine that a caller has hung up."""
    try:
        async with asyncio.timeout(seconds):
            status, _ = await _ask(socket_path, HEALTH)
    except (OSError, TimeoutError, ValueError):
        return False
    return status == 200


async def generate_one_token(socket_path: str, api_key: str) -> None:
    """Have the engine make one token, which shows that it can and warms it up.  Raises OSError or ValueError."""
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n"
        f"Authorization: Bearer {api_key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(FIRST_TOKEN)}\r\n\r\n"
    )
    status, answer = await _ask(socket_path, head.encode() + FIRST_TOKEN)
    if status != 200:
        raise ValueError(f"status {status}: {answer.decode('utf-8', 'replace')[:500]}")


async def _ask(socket_path: str, request: bytes) -> tuple[int, bytes]:
    """Status and body of the answer.  Raises OSError, or ValueError for an answer that is no HTTP."""
    reader, writer = await asyncio.open_unix_connection(socket_path)
    try:
        writer.write(request)
        answer = await reader.read(MAX_ANSWER)
        while piece := await reader.read(MAX_ANSWER):
            answer += piece
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        raise ValueError("no HTTP answer")
    return int(head[9:12]), body
