"""A look at whether entities answer: one short chat call to each, at once, before a configuration takes over.

Called from threads; the calls run in the event loop.  No answer's text is kept: what counts is that there is one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import msgspec

from cloche.domain.errors import Problem, ProviderBroken
from cloche.domain.outbound import HttpCall, Send, Timeouts
from cloche.domain.translation import Report
from cloche.providers.base import Foreign, Translator
from cloche.snapshot import Target
from cloche.wire.openai import read_chat

TIMEOUTS = Timeouts(connect=5.0, first_byte=25.0, between_bytes=10.0, total=30.0)
"""Shorter than of a call: somebody waits for all of them."""

MAX_ANSWER = 1024 * 1024

_QUESTION = b'{"messages":[{"role":"user","content":"Say OK."}],"max_tokens":1}'


class Outcome(msgspec.Struct, frozen=True):
    """What came of the call to an entity.  `message`: why it failed, empty if it did not."""

    entity: str
    ok: bool
    message: str
    duration_ms: int


class Prober:
    """`send`: begins a call to a provider, in `loop`."""

    def __init__(self, send: Send, loop: asyncio.AbstractEventLoop) -> None:
        self._send = send
        self._loop = loop

    def __call__(self, targets: Sequence[Target]) -> list[Outcome]:
        """What came of a call to each external target, in their order.  Waits, half a minute at most."""
        return asyncio.run_coroutine_threadsafe(self._all(targets), self._loop).result()

    async def _all(self, targets: Sequence[Target]) -> list[Outcome]:
        return list(await asyncio.gather(*(self._one(target) for target in targets if target.local is None)))

    async def _one(self, target: Target) -> Outcome:
        began = time.monotonic()
        message = ""
        try:
            bound = target.translator or target.foreign
            assert bound is not None
            answer = _Answer(bound)
            exchange = self._send(_question(bound), answer, TIMEOUTS)
            try:
                await answer.ended
            finally:
                exchange.cancel()
        except Problem as problem:
            message = problem.message
        return Outcome(target.entity, not message, message, round((time.monotonic() - began) * 1000))


def _question(bound: Translator | Foreign) -> HttpCall:
    request = read_chat(_QUESTION)
    if isinstance(bound, Foreign):
        return bound.encode(request, Report(), stream=False)
    return bound.encode(request, stream=False)


class _Answer:
    """Waits for the end of one answer."""

    def __init__(self, translator: Translator | Foreign) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._translator = translator
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._body = bytearray()

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Keep the head until the body is there: it may say why not."""
        self._status = status
        self._headers = headers

    def on_data(self, data: bytes) -> None:
        """Collect, within reason."""
        self._body += data
        if len(self._body) > MAX_ANSWER:
            self.on_failure(ProviderBroken("the answer to a one-token question is larger than 1 MiB"))

    def on_end(self) -> None:
        """There is an answer, or a refusal."""
        if self._status != 200:
            self.on_failure(self._translator.error(self._status, self._headers, bytes(self._body)))
        elif not self.ended.done():
            self.ended.set_result(None)

    def on_failure(self, problem: Problem) -> None:
        """There will be no answer."""
        if not self.ended.done():
            self.ended.set_exception(problem)
