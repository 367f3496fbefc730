"""The steps by which a credential is obtained, taken one after another, and what of the machine they may read.

A source says what to do (domain/lending.py); here it is done.  Whatever goes wrong on the way, a defect too, ends in
one outcome: somebody waits for it.  Must not know whose credentials they are, nor who waits.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import Callable, Mapping

from cloche.domain.errors import InternalError, Problem, ProviderBroken, ProviderCredentials
from cloche.domain.lending import Found, FromHost, Lent, Steps
from cloche.domain.outbound import Exchange, HttpCall, Send, Timeouts
from cloche.gateway.collecting import Collecting

log = logging.getLogger("cloche.credentials")

_TIMEOUTS = Timeouts(connect=5.0, first_byte=10.0, between_bytes=5.0, total=20.0)

_MAX_FILE = 64 * 1024

_MAX_STEP = 1024 * 1024
"""Bytes of the answer to a step; tokens and keys are a few thousand."""


class HostAccess:
    """What of the machine itself served entities may use: nothing, unless its operator allows it.

    `variables`: the environment; None: not allowed, and so are files and the machine's own services.
    """

    def __init__(self, variables: Mapping[str, str] | None) -> None:
        self._variables = variables

    def check(self) -> None:
        """ProviderCredentials if the operator does not allow it."""
        if self._variables is None:
            raise ProviderCredentials(
                "this served entity uses the credentials of the machine that cloche runs on, which its operator has "
                "not allowed (--allow-host-credentials)"
            )

    def read(self, step: FromHost) -> Found:
        """What is there; for threads, because a file may be far away."""
        self.check()
        assert self._variables is not None
        if step.kind == "variable":
            value = self._variables.get(step.name)
            return Found(404, {}, b"") if value is None else Found(200, {}, value.encode())
        try:
            return _read(step.name)
        except (OSError, ValueError):  # ValueError: what can be no path
            return Found(404, {}, b"")


def _read(path: str) -> Found:
    """A file.  One that is none, as a pipe that nobody writes to, is not there: it would never be read."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        regular = stat.S_ISREG(os.fstat(file).st_mode)
        return Found(200, {}, os.read(file, _MAX_FILE)) if regular else Found(404, {}, b"")
    finally:
        os.close(file)


class Obtaining:
    """Takes the steps of one source, one after another.  `ended` is called once, and never from inside `begin`."""

    def __init__(self, steps: Steps, send: Send, host: HostAccess, ended: Callable[[Lent | Problem], None]) -> None:
        self._steps = steps
        self._send = send
        self._host = host
        self._ended = ended
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """Take the first step."""
        self._loop.call_soon(self._advance, lambda: next(self._steps))

    def found(self, found: Found) -> None:
        """A step was taken."""
        self._advance(lambda: self._steps.send(found))

    def failed(self, problem: Problem) -> None:
        """A step could not be taken: the source may know another way."""
        self._advance(lambda: self._steps.throw(problem))

    def _advance(self, go_on: Callable[[], HttpCall | FromHost]) -> None:
        try:
            step = go_on()
        except StopIteration as stop:
            self._ended(stop.value)
        except Problem as problem:
            self._ended(problem)
        except Exception:  # noqa: BLE001 - the edge: a defect in a source fails the calls that wait, and no other
            self._broken()
        else:
            self._take(step)

    def _broken(self) -> None:
        log.exception("credentials could not be obtained")
        self._ended(InternalError("cloche failed to obtain the credentials of this served entity"))

    def _take(self, step: HttpCall | FromHost) -> None:
        host = self._host
        try:
            if isinstance(step, FromHost):
                host.check()
                reading = self._loop.run_in_executor(None, host.read, step)
                reading.add_done_callback(lambda done: self._advance(lambda: self._steps.send(done.result())))
                return
            if step.origin.of_host:
                host.check()
            answer = _StepAnswer(self)
            answer.exchange = self._send(step, answer, _TIMEOUTS)
        except Problem as problem:
            self._loop.call_soon(self.failed, problem)
        except Exception:  # noqa: BLE001 - as above: the calls that wait would wait for ever
            self._broken()


class _StepAnswer(Collecting):
    """The answer to one step."""

    __slots__ = ("_obtaining", "exchange")

    def __init__(self, obtaining: Obtaining) -> None:
        super().__init__()
        self._obtaining = obtaining
        self.exchange: Exchange | None = None

    def on_data(self, data: bytes) -> None:
        """Collect, so far as it can be what was asked for."""
        super().on_data(data)
        if self._size > _MAX_STEP:
            self._stop(ProviderBroken("the server that lends credentials sent more than they can be"))

    def on_end(self) -> None:
        """It is complete."""
        self._obtaining.found(Found(self._status, self._headers, self._body()))

    def on_failure(self, problem: Problem) -> None:
        """It will not come."""
        self._obtaining.failed(problem)

    def _stop(self, problem: Problem) -> None:
        assert self.exchange is not None
        self.exchange.cancel()
        self._obtaining.failed(problem)
