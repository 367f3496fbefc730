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
from collections.abc import Callable
from urllib.parse import quote

from cloche.domain.errors import InternalError, Problem, ProviderCredentials
from cloche.domain.lending import Authorizer, Lent, Source
from cloche.domain.outbound import Exchange, HttpCall, Receiver, Send, Timeouts
from cloche.gateway.obtaining import HostAccess, Obtaining
from cloche.gateway.riding import Ride
from cloche.providers.clock_skew import skew

log = logging.getLogger("cloche.credentials")

_RENEW_BEFORE = 300.0
"""Seconds before its end from which a loan is renewed, while it still serves; half of its life where that is less."""

_LAST_USE = 30.0
"""Seconds before its end from which a loan serves no more: the call has to get there, too.  A quarter of its life where
that is less."""

_RENEW_AGAIN = 10.0
"""Seconds between two tries to renew a loan that still serves."""

_TRY_AGAIN = 1.0
"""Seconds for which calls are told of a failure at once: a service that is down is not asked once for each call."""

_FORGET_AFTER = 3600.0
"""Seconds after which a loan that nobody uses is forgotten: its endpoint may be gone."""

_MAX_REFUSAL = 1024 * 1024
"""Bytes of a refusal from which no more is kept: whatever is said there, the beginning tells it."""

_SHORTEST_SECRET = 8


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
        if call.authorizer is None:
            return self.upstream(call, receiver, timeouts)
        source = call.authorizer.source
        loan = self._loans.get(source) or self._new(source)
        return loan.send(_Authorized(call, call.authorizer, loan, (receiver, timeouts)))

    def _new(self, source: Source) -> _Loan:
        now = self.now()
        for old, loan in tuple(self._loans.items()):
            if loan.used_at + _FORGET_AFTER < now and not loan.busy:
                del self._loans[old]
        loan = self._loans[source] = _Loan(source, self)
        return loan


class _Authorized(Ride):
    """One call with a loan: an Exchange for who sent it, and a Receiver for what carries it."""

    __slots__ = (
        "_authorizer",
        "_call",
        "_lent",
        "_loan",
        "_over",
        "_receiver",
        "_refusal",
        "_timeouts",
    )

    def __init__(self, call: HttpCall, authorizer: Authorizer, loan: _Loan, asked: tuple[Receiver, Timeouts]) -> None:
        super().__init__()
        self._authorizer = authorizer
        self._call = call
        self._receiver, self._timeouts = asked
        self._loan = loan
        self._lent: _InHand | None = None
        self._refusal: bytearray | None = None  # the body of one, while it comes
        self._over = False

    def go(self, lent: _InHand, credentials: Credentials) -> None:
        """Send it, completed."""
        if self._over:
            return
        self._lent = lent
        try:
            call = self._authorizer.authorize(self._call, lent.lent, credentials.now())
            self._ride(credentials.upstream(call, self, self._timeouts))
        except Problem as problem:
            self.fail_soon(problem)
            return
        except Exception:  # the edge: a defect in an authorizer fails its own call, and none that waits beside it
            log.exception("a call could not be completed with its credentials")
            self.fail_soon(InternalError("cloche failed to put the credentials of this served entity on the call"))

    def fail_soon(self, problem: Problem) -> None:
        """As on_failure, but not from inside `send`: whoever sends does not have the exchange yet."""
        asyncio.get_running_loop().call_soon(self.on_failure, problem)

    # ---------------------------------------------------------------- the exchange

    def cancel(self) -> None:
        """Part of Exchange."""
        self._over = True
        if self._exchange is not None:
            self._exchange.cancel()
        else:
            self._loan.leave(self)

    # ---------------------------------------------------------------- the receiver

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Pass on; a refusal of the credentials is looked at."""
        if status in (401, 403):
            assert self._lent is not None
            problem = self._loan.refused(self._lent, headers)
            if problem is not None:
                self.on_failure(problem)
                self.cancel()
                return
        self._refusal = bytearray() if status >= 400 else None
        self._receiver.on_head(status, headers)

    def on_data(self, data: bytes) -> None:
        """Pass on; a refusal, when it is complete: some quote what they were sent, also with status 200."""
        if self._over:
            return
        if self._refusal is None:
            assert self._lent is not None
            self._receiver.on_data(self._lent.out_of(data))
        elif len(self._refusal) < _MAX_REFUSAL:
            self._refusal += data

    def on_end(self) -> None:
        """Pass on, a refusal without the credentials that may be quoted in it."""
        if self._over:
            return
        if self._refusal:
            assert self._lent is not None
            self._receiver.on_data(self._lent.out_of(bytes(self._refusal)))
        self._receiver.on_end()

    def on_failure(self, problem: Problem) -> None:
        """Pass on."""
        if not self._over:
            self._over = True
            self._receiver.on_failure(problem)


class _InHand:
    """What is lent, and since when.  `renew_at`, `ends_at`: from when another is obtained, and it serves no more."""

    __slots__ = ("_spellings", "ends_at", "lent", "lent_at", "renew_at")

    def __init__(self, lent: Lent, now: float) -> None:
        self.lent = lent
        self.lent_at = now
        end = math.inf if lent.expires_at is None else lent.expires_at
        self.renew_at = end - min(_RENEW_BEFORE, (end - now) / 2)
        self.ends_at = end - min(_LAST_USE, (end - now) / 4)
        secrets = [value for value in lent.values.values() if len(value) >= _SHORTEST_SECRET]
        spelled = {way for value in secrets for way in (value, value.replace("/", "\\/"), quote(value, safe=""))}
        self._spellings = [way.encode() for way in spelled]

    def out_of(self, text: bytes) -> bytes:
        """The text without the values that are lent."""
        for each in self._spellings:
            if each in text:
                text = text.replace(each, b"***")
        return text


class _Loan:
    """What one source lends, and the calls that wait for it."""

    def __init__(self, source: Source, credentials: Credentials) -> None:
        self._source = source
        self._credentials = credentials
        self._lent: _InHand | None = None
        self._failure: tuple[float, Problem] | None = None  # when the last try failed, and why
        self._obtaining = False
        self._waiting: dict[_Authorized, None] = {}
        self.used_at = credentials.now()

    @property
    def busy(self) -> bool:
        """Whether it is being obtained."""
        return self._obtaining

    def send(self, call: _Authorized) -> Exchange:
        """Send a call now, or when there is something to send it with."""
        now = self.used_at = self._credentials.now()
        lent = self._lent
        if lent is not None and now < lent.ends_at:
            call.go(lent, self._credentials)
            if now >= lent.renew_at and self._failed_since(now - _RENEW_AGAIN) is None:
                self._obtain()
            return call
        failure = self._failed_since(now - _TRY_AGAIN)
        if failure is not None and not self._obtaining:
            call.fail_soon(failure)
        else:
            self._waiting[call] = None
            self._obtain()
        return call

    def leave(self, call: _Authorized) -> None:
        """It waits no more."""
        self._waiting.pop(call, None)

    def refused(self, lent: _InHand, headers: dict[bytes, bytes]) -> Problem | None:
        """The provider takes no call with it: obtain another for the next.  The Problem, if the clock is to blame."""
        now = self._credentials.now()
        if lent is self._lent and lent.lent.expires_at is not None and now - lent.lent_at > _LAST_USE:
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
            steps = self._source.obtain(self._credentials.now())
            Obtaining(steps, self._credentials.upstream, self._credentials.host, self._ended).begin()

    def _ended(self, outcome: Lent | Problem) -> None:
        """The steps were taken, or one of them failed."""
        self._obtaining = False
        waiting, self._waiting = self._waiting, {}
        now = self._credentials.now()
        if isinstance(outcome, Problem):
            log.warning("credentials could not be obtained: %s", outcome.summary)
            self._failure = now, outcome
            for call in waiting:
                call.fail_soon(outcome)
            return
        self._lent, self._failure = _InHand(outcome, now), None
        for call in waiting:
            call.go(self._lent, self._credentials)
