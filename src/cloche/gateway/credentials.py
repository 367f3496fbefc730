"""Credentials on loan: obtained when first needed, shared by all calls that need the same, renewed before they end.

`Credentials.send` stands before upstream/'s own: a call that names no authorizer passes through at the cost of one
look.  One that does is completed with what is in hand; where nothing is, it waits, with every other that needs the
same, until the steps to obtain it are taken.  A loan outlives the configuration that asked for it, so that publishing
costs no token.  Belongs to one event loop.  Must not know whose credentials they are.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cloche.domain.errors import InternalError, Problem, ProviderCredentials
from cloche.domain.lending import Authorizer, Found, FromHost, Lent, Source, Steps
from cloche.domain.outbound import Exchange, HttpCall, Receiver, Send, Timeouts
from cloche.gateway.collecting import Collecting
from cloche.providers.clock_skew import skew

log = logging.getLogger("cloche.credentials")

_STEP_TIMEOUTS = Timeouts(connect=5.0, first_byte=10.0, between_bytes=5.0, total=20.0)

_RENEW_BEFORE = 300.0
"""Seconds before its end from which a loan is renewed, while it still serves."""

_LAST_USE = 30.0
"""Seconds before its end from which a loan serves no more: the call has to get there, too."""

_RENEW_AGAIN = 10.0
"""Seconds between two tries to renew a loan that still serves."""

_TRY_AGAIN = 1.0
"""Seconds for which calls are told of a failure at once: a service that is down is not asked once for each call."""

_FORGET_AFTER = 3600.0
"""Seconds after which a loan that nobody uses is forgotten: its endpoint may be gone."""

_MAX_FILE = 64 * 1024

_MAX_REFUSAL = 1024 * 1024
"""Bytes of a refusal from which no more is kept: whatever is said there, the beginning tells it."""

_SHORTEST_SECRET = 8


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
            with Path(step.name).open("rb") as file:
                return Found(200, {}, file.read(_MAX_FILE))
        except OSError:
            return Found(404, {}, b"")


class Credentials:
    """`send`: upstream/'s entry.  `now`: Unix seconds."""

    def __init__(self, send: Send, host: HostAccess, now: Callable[[], float] = time.time) -> None:
        self.upstream = send
        self.host = host
        self.now = now
        self._loans: dict[Source, _Loan] = {}

    def send(self, call: HttpCall, receiver: Receiver, timeouts: Timeouts) -> Exchange:
        """As upstream/'s, with the credentials that the call needs.  What goes wrong with them is told to the
        receiver, later."""
        authorizer = call.authorizer
        if authorizer is None:
            return self.upstream(call, receiver, timeouts)
        loan = self._loans.get(authorizer.source) or self._new(authorizer.source)
        return loan.send(_Authorized(call, authorizer, receiver, timeouts))

    def _new(self, source: Source) -> _Loan:
        now = self.now()
        for old, loan in tuple(self._loans.items()):
            if loan.used_at + _FORGET_AFTER < now and not loan.busy:
                del self._loans[old]
        loan = self._loans[source] = _Loan(source, self)
        return loan


class _Authorized:
    """One call with a loan: an Exchange for who sent it, and a Receiver for what carries it."""

    __slots__ = (
        *("_call", "_exchange", "_lent", "_loan", "_over", "_paused", "_receiver", "_refusal", "_timeouts"),
        "authorizer",
    )

    def __init__(self, call: HttpCall, authorizer: Authorizer, receiver: Receiver, timeouts: Timeouts) -> None:
        self.authorizer = authorizer
        self._call = call
        self._receiver = receiver
        self._timeouts = timeouts
        self._exchange: Exchange | None = None
        self._loan: _Loan | None = None
        self._lent: Lent | None = None
        self._refusal: bytearray | None = None  # the body of one, while it comes
        self._paused = False
        self._over = False

    def go(self, loan: _Loan, lent: Lent, credentials: Credentials) -> None:
        """Send it, completed."""
        if self._over:
            return
        self._loan, self._lent = loan, lent
        try:
            call = self.authorizer.authorize(self._call, lent, credentials.now())
        except Problem as problem:
            # Not from inside `send`: whoever sends does not have the exchange yet.
            asyncio.get_running_loop().call_soon(self.on_failure, problem)
            return
        self._exchange = credentials.upstream(call, self, self._timeouts)
        if self._paused:
            self._exchange.pause()

    # ---------------------------------------------------------------- the exchange

    def pause(self) -> None:
        """Part of Exchange."""
        self._paused = True
        if self._exchange is not None:
            self._exchange.pause()

    def resume(self) -> None:
        """Part of Exchange."""
        self._paused = False
        if self._exchange is not None:
            self._exchange.resume()

    def cancel(self) -> None:
        """Part of Exchange."""
        self._over = True
        if self._exchange is not None:
            self._exchange.cancel()

    # ---------------------------------------------------------------- the receiver

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Pass on; a refusal of the credentials is looked at."""
        if status in (401, 403):
            assert self._loan is not None
            problem = self._loan.refused(headers)
            if problem is not None:
                self.on_failure(problem)
                self.cancel()
                return
        self._refusal = bytearray() if status >= 400 else None
        self._receiver.on_head(status, headers)

    def on_data(self, data: bytes) -> None:
        """Pass on; a refusal, when it is complete: some quote what they were sent."""
        if self._over:
            return
        if self._refusal is None:
            self._receiver.on_data(data)
        elif len(self._refusal) < _MAX_REFUSAL:
            self._refusal += data

    def on_end(self) -> None:
        """Pass on, a refusal without the credentials that may be quoted in it."""
        if self._over:
            return
        if self._refusal:
            assert self._lent is not None
            self._receiver.on_data(_without(bytes(self._refusal), self._lent))
        self._receiver.on_end()

    def on_failure(self, problem: Problem) -> None:
        """Pass on."""
        if not self._over:
            self._over = True
            self._receiver.on_failure(problem)


def _without(text: bytes, lent: Lent) -> bytes:
    """The text without the values that are lent."""
    for value in lent.values.values():
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value.encode(), b"***")
    return text


class _Loan:
    """What one source lends, and the calls that wait for it."""

    def __init__(self, source: Source, credentials: Credentials) -> None:
        self._source = source
        self._credentials = credentials
        self._lent: Lent | None = None
        self._lent_at = 0.0
        self._failure: tuple[float, Problem] | None = None  # when the last try failed, and why
        self._obtaining = False
        self._waiting: list[_Authorized] = []
        self.used_at = credentials.now()

    @property
    def busy(self) -> bool:
        """Whether it is being obtained."""
        return self._obtaining

    def send(self, call: _Authorized) -> Exchange:
        """Send a call now, or when there is something to send it with."""
        now = self.used_at = self._credentials.now()
        lent = self._lent
        left = 0.0 if lent is None else math.inf if lent.expires_at is None else lent.expires_at - now
        if lent is not None and left > _LAST_USE:
            call.go(self, lent, self._credentials)
            if left < _RENEW_BEFORE and self._failed_since(now - _RENEW_AGAIN) is None:
                self._obtain()
            return call
        failure = self._failed_since(now - _TRY_AGAIN)
        if failure is not None and not self._obtaining:
            asyncio.get_running_loop().call_soon(call.on_failure, failure)
        else:
            self._waiting.append(call)
            self._obtain()
        return call

    def refused(self, headers: dict[bytes, bytes]) -> Problem | None:
        """The provider takes no call with it: obtain another for the next.  The Problem, if the clock is to blame."""
        now = self._credentials.now()
        lent = self._lent
        if lent is not None and lent.expires_at is not None and now - self._lent_at > _LAST_USE:
            self._lent = None  # one that is new is no worse than the next
        told = skew(headers, now)
        if told is None:
            return None
        return ProviderCredentials(f"the provider rejected the credentials of this served entity, and {told}")

    def _failed_since(self, then: float) -> Problem | None:
        return self._failure[1] if self._failure is not None and self._failure[0] > then else None

    def _obtain(self) -> None:
        if not self._obtaining:
            self._obtaining = True
            _Obtaining(self._source, self._credentials, self._ended).begin()

    def _ended(self, outcome: Lent | Problem) -> None:
        """The steps were taken, or one of them failed."""
        self._obtaining = False
        waiting, self._waiting = self._waiting, []
        now = self._credentials.now()
        if isinstance(outcome, Problem):
            log.warning("credentials could not be obtained: %s", outcome.summary)
            self._failure = now, outcome
            for call in waiting:
                call.on_failure(outcome)
            return
        self._lent, self._lent_at, self._failure = outcome, now, None
        for call in waiting:
            call.go(self, outcome, self._credentials)


class _Obtaining:
    """Takes the steps of one source, one after another.  `ended` is called once, and never from inside `begin`."""

    def __init__(self, source: Source, credentials: Credentials, ended: Callable[[Lent | Problem], None]) -> None:
        self._credentials = credentials
        self._ended = ended
        self._steps: Steps = source.obtain(credentials.now())
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
        except Exception:  # the edge: a defect in a source fails the calls that wait, and no other
            log.exception("credentials could not be obtained")
            self._ended(InternalError("cloche failed to obtain the credentials of this served entity"))
        else:
            self._take(step)

    def _take(self, step: HttpCall | FromHost) -> None:
        host = self._credentials.host
        try:
            if isinstance(step, FromHost):
                host.check()
                reading = self._loop.run_in_executor(None, host.read, step)
                reading.add_done_callback(lambda done: self.found(done.result()))
                return
            if step.origin.of_host:
                host.check()
            answer = _StepAnswer(self)
            answer.exchange = self._credentials.upstream(step, answer, _STEP_TIMEOUTS)
        except Problem as problem:
            self._loop.call_soon(self.failed, problem)


class _StepAnswer(Collecting):
    """The answer to one step."""

    __slots__ = ("_obtaining", "exchange")

    def __init__(self, obtaining: _Obtaining) -> None:
        super().__init__()
        self._obtaining = obtaining
        self.exchange: Exchange | None = None

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
