"""What brings traces to a collector: OTLP over HTTP, every second, and never in a call's way.

Spans are made and written down in a thread; the request goes out through `upstream`, like every other.  A collector
that is away, or says that it has too much, is tried again a few times while the queue fills; what finds no room then is
lost and counted, and no call is held up.  Must not know what a span says.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from cloche import __version__
from cloche.codec import otlp
from cloche.domain.errors import Problem, ProviderBroken
from cloche.domain.outbound import HttpCall, Origin, Send, Timeouts
from cloche.domain.trace import Value
from cloche.gateway.call import Call
from cloche.gateway.collecting import Collecting
from cloche.gateway.spans import spans_of
from cloche.gateway.tracing import Trace, Tracer
from cloche.settings import Settings
from cloche.snapshot import Slot

EVERY_SECONDS = 1.0
BATCH = 512
BATCH_BYTES = 2 * 1024 * 1024
TRIES = 5
"""Of one batch: about half a minute."""

TIMEOUTS: Final = Timeouts(connect=5.0, first_byte=10.0, between_bytes=10.0, total=10.0)
LAST_SECONDS = 2.0
"""At the end, for what still waits."""

_AGAIN = (429, 502, 503, 504)

log = logging.getLogger("cloche.traces")


class Collector(NamedTuple):
    """Where traces go.  `head`: of the requests, with the operator's header fields, which may hold a secret."""

    origin: Origin
    head: bytes

    def __repr__(self) -> str:
        return f"Collector({self.origin.host}:{self.origin.port})"


def collector(url: str, headers: str | None) -> Collector:
    """From `otel_endpoint`, whose path is `/v1/traces` unless it has one, and `otel_headers`: `name=value,…`.
    ValueError says what is wrong, and shows no value."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be http:// or https:// with a host, and no user, query or fragment")
    tls = parts.scheme == "https"
    # Nobody but the operator says where it is, so it may be a private address.
    origin = Origin(parts.hostname, parts.port or (443 if tls else 80), tls=tls, of_host=True)
    path = parts.path if parts.path.strip("/") else "/v1/traces"
    lines = [f"POST {path} HTTP/1.1", f"host: {parts.netloc}", "content-type: application/x-protobuf"]
    lines += [f"user-agent: cloche/{__version__}", "accept-encoding: identity"]
    for pair in (headers or "").split(","):
        name, sign, value = pair.partition("=")
        if pair.strip() and not sign:
            raise ValueError("headers must be name=value, with commas between them")
        if sign:
            lines.append(f"{name.strip()}: {value.strip()}")
    if not all(line.isascii() and line.isprintable() for line in lines):
        raise ValueError("headers must be printable ASCII")
    return Collector(origin, "\r\n".join([*lines, ""]).encode("ascii"))


class TraceWriter:
    """One for each serving process, for its loop.  `to`: where; None: nowhere, and nothing is traced.

    `tracer`: chooses the calls.  `sent`: spans that the collector took.
    """

    def __init__(self, settings: Settings, to: Collector | None, slot: Slot) -> None:
        self.tracer = None if to is None else Tracer(settings.otel_sample_ratio, settings.otel_propagate)
        self._to = to
        self._slot = slot
        self._content = settings.otel_content
        self._lost = 0
        self._in_trouble = False
        self._task: asyncio.Task[None] | None = None
        self.sent = 0

    @property
    def lost(self) -> int:
        """Calls whose spans got nowhere, of this process."""
        return self._lost + (0 if self.tracer is None else self.tracer.lost)

    def start(self, send: Send) -> None:
        """Begin."""
        if self._to is not None and self.tracer is not None:
            self._task = asyncio.create_task(self._run(self.tracer, self._to, send))

    async def stop(self) -> None:
        """Send what waits, in `LAST_SECONDS` at most, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, tracer: Tracer, to: Collector, send: Send) -> None:
        try:
            while True:
                await asyncio.sleep(EVERY_SECONDS)
                await self._turn(tracer, functools.partial(self._delivered, to, send, TRIES))
        except asyncio.CancelledError:
            try:
                async with asyncio.timeout(LAST_SECONDS):
                    await self._turn(tracer, functools.partial(self._delivered, to, send, 1))
            except TimeoutError:
                self._lose(len(tracer), "the server is shutting down")

    async def _turn(self, tracer: Tracer, deliver: Callable[[bytes], Awaitable[str | None]]) -> None:
        while taken := tracer.take(BATCH, BATCH_BYTES):
            try:
                count, body = await asyncio.to_thread(self._written, taken)
                why = await deliver(body)
            except asyncio.CancelledError:
                self._lose(len(taken), "the server is shutting down")
                raise
            except Exception:  # the edge of a background task: a defect must not end tracing for good
                log.exception("traces could not be written inside cloche, which goes on")
                why = "a defect"
            if why is None:
                self.sent += count
                self._well()
            else:
                self._lose(len(taken), why)

    def _written(self, taken: Sequence[tuple[Call, Trace]]) -> tuple[int, bytes]:
        endpoints = self._slot.current().endpoints
        spans = []
        for call, trace in taken:
            compiled = endpoints.get(call.endpoint or "")
            spans += spans_of(call, trace, None if compiled is None else compiled.endpoint, content=self._content)
        return len(spans), otlp.encode(spans, _RESOURCE, "cloche", __version__)

    async def _delivered(self, to: Collector, send: Send, tries: int, body: bytes) -> str | None:
        """Why it was not, if it was not."""
        why = ""
        for number in range(tries):
            if number:
                await asyncio.sleep(2.0 ** (number - 1))
            answer = _Answer()
            exchange = send(HttpCall(to.origin, to.head, [body]), answer, TIMEOUTS)
            try:
                status = await answer.ended
            except Problem as problem:
                why = problem.summary
                continue
            finally:
                exchange.cancel()
            if 200 <= status < 300:
                return None
            why = f"the collector answers {status}"
            if status not in _AGAIN:
                break
        return why

    def _lose(self, calls: int, why: str) -> None:
        self._lost += calls
        if calls and not self._in_trouble:
            self._in_trouble = True
            log.warning("traces are being lost: %s", why)

    def _well(self) -> None:
        if self._in_trouble:
            self._in_trouble = False
            log.warning("traces are sent again; those of %d calls are lost so far", self.lost)


_RESOURCE: Final[Mapping[str, Value]] = {"service.name": "cloche", "service.version": __version__}


class _Answer(Collecting):
    """The collector's status, once it has said all."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_end(self) -> None:
        """It has."""
        if not self.ended.done():
            self.ended.set_result(self._status)

    def on_failure(self, problem: Problem) -> None:
        """It will not."""
        if not self.ended.done():
            self.ended.set_exception(problem)

    def _stop(self, problem: Problem) -> None:
        self.on_failure(ProviderBroken("the collector's answer is too large"))
