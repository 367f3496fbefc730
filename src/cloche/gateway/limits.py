"""Rate limits of endpoints: which of them fit a caller, and room in the running minute for the call under all of them.

The limits stand in the endpoint's rules; what is counted stands in `counters`.  A call reserves one call and, where
tokens are limited, what it may need of them by an estimate; `reservation` settles that.  A call of an endpoint with two
limits of calls costs 7 µs more than without; where tokens are limited, 12 to 18 µs, settling included.  Must not know
how anything is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cloche.domain.access import Principal
from cloche.domain.ai_gateway import AiGateway, RateLimit
from cloche.domain.errors import LimitExceeded
from cloche.gateway.asking import Request
from cloche.gateway.call import Call
from cloche.gateway.counters import UNLIMITED, Counters, Key, Taken, Want, key_of
from cloche.gateway.reservation import Reservation, Settling, estimate
from cloche.snapshot import CompiledEndpoint, Slot

_FITTING_KEPT = 50_000
"""Callers of endpoints whose limits are remembered; beyond that all are found anew."""


class Limit(NamedTuple):
    """The limits of one key, the strictest of each kind.  `whose`: in words for the caller."""

    key: Key
    calls: int
    tokens: int
    whose: str


class _Fitting(NamedTuple):
    """The limits that fit one caller, found for these rules and this principal as they were then.

    `wants`: of a call that needs no tokens.
    """

    rules: AiGateway
    principal: Principal
    limits: tuple[Limit, ...]
    wants: tuple[Want, ...]
    of_tokens: bool


class Asked(NamedTuple):
    """What one call needs under the limits that fit it.  `expected`: tokens of prompt and answer, where tokens are
    limited.  `endpoint`: its name."""

    limits: tuple[Limit, ...]
    wants: tuple[Want, ...]
    expected: tuple[int, int] | None
    endpoint: str

    def held(self) -> list[tuple[Key, int]]:
        """The tokens that it holds, once it is counted."""
        return [(want.key, want.needed) for want in self.wants if want.tokens >= 0]


class Limits:
    """`slot`: has the groups by name."""

    def __init__(self, slot: Slot, counters: Counters) -> None:
        self._slot = slot
        self._counters = counters
        self._fitting: dict[tuple[str, str], _Fitting] = {}
        self._groups: tuple[object, Mapping[str, str]] = ((), {})

    def reserve(self, call: Call, request: Request, compiled: CompiledEndpoint) -> None:
        """Count the call on this host, and tell its state in the answer's head.  LimitExceeded if there is no room."""
        asked = self.asked(call, request, compiled)
        if asked is not None:
            self.count(call, asked)

    def asked(self, call: Call, request: Request, compiled: CompiledEndpoint) -> Asked | None:
        """What the call needs; None if no limit fits it."""
        assert call.grant is not None
        fitting = self._of(call.grant.principal, compiled)
        if not fitting.limits:
            return None
        wants, expected = fitting.wants, (0, 0)
        if fitting.of_tokens:
            expected = estimate(request)
            # What asks for more than a whole minute has gets in while nobody else is, lest it never does.
            needed = expected[0] + expected[1]
            wants = tuple(
                [
                    want if want.tokens < 0 else Want(want.key, want.calls, want.tokens, min(needed, want.tokens))
                    for want in wants
                ]
            )
        return Asked(fitting.limits, wants, expected if fitting.of_tokens else None, compiled.endpoint.name)

    def count(self, call: Call, asked: Asked) -> None:
        """Count it on this host.  LimitExceeded if there is no room for it."""
        self.keep(call, asked, self._counters.take(asked.wants), self._counters)

    def keep(self, call: Call, asked: Asked, taken: Taken, counters: Settling) -> None:
        """It was counted, or not, by these counters.  LimitExceeded if there was no room for it."""
        call.limits = _head(asked.limits, taken)
        if taken.refused is not None:
            raise LimitExceeded(_words(asked.limits, taken, asked.endpoint), retry_after=taken.seconds)
        if asked.expected is not None:
            call.reservation = Reservation(counters, taken.minute, asked.held(), asked.expected)
            if call.tracked is None:  # else what was said is counted already
                call.reply = call.reservation.metered(call.reply)

    def _of(self, principal: Principal, compiled: CompiledEndpoint) -> _Fitting:
        """Remembered, which costs 0.3 µs: finding them costs some µs for each of the limits."""
        at = (compiled.endpoint.id, principal.id)
        fitting = self._fitting.get(at)
        rules = compiled.rules
        if fitting is None or fitting.rules is not rules or fitting.principal is not principal:
            assert rules is not None
            if len(self._fitting) >= _FITTING_KEPT:
                self._fitting.clear()
            limits = tuple(self._found(principal, rules.rate_limits or [], compiled.endpoint.id))
            of_tokens = any(limit.tokens != UNLIMITED for limit in limits)
            wants = tuple(Want(limit.key, limit.calls, limit.tokens, 0) for limit in limits)
            fitting = self._fitting[at] = _Fitting(rules, principal, limits, wants, of_tokens)
        return fitting

    def _found(self, principal: Principal, given: list[RateLimit], endpoint_id: str) -> Iterator[Limit]:
        merged: dict[Key, Limit] = {}
        for limit in given:
            if (named := self._subject(principal, limit)) is not None:
                subject, whose = named
                key = key_of(endpoint_id, limit.key or "endpoint", subject)
                before = merged.get(key, Limit(key, UNLIMITED, UNLIMITED, whose))
                calls, tokens = _stricter(before.calls, limit.calls), _stricter(before.tokens, limit.tokens)
                merged[key] = Limit(key, calls, tokens, whose)
        yield from merged.values()

    def _subject(self, principal: Principal, limit: RateLimit) -> tuple[str, str] | None:
        """Who is counted together under a limit, and that in words; None if the limit is not for this caller."""
        name = limit.principal
        if limit.key in (None, "endpoint"):
            return "", "for all callers together"
        if limit.key == "user_group":
            in_it = self._group_id(name or "") in principal.groups
            return (name or "", f"for the group '{name}'") if in_it else None
        if name is None or name == principal.name:
            # By id: a name may be given to somebody else within the minute.
            return principal.id, f"for '{principal.name}'"
        return None

    def _group_id(self, name: str) -> str | None:
        groups = self._slot.current().state.groups
        if self._groups[0] is not groups:
            self._groups = (groups, {group.name: group.id for group in groups})
        return self._groups[1].get(name)


def _stricter(one: int, other: int | None) -> int:
    if other is None:
        return one
    return other if one == UNLIMITED else min(one, other)


def _words(limits: tuple[Limit, ...], taken: Taken, endpoint: str) -> str:
    """What the caller is told: which limit, and when there is room.  Of others they learn nothing."""
    assert taken.refused is not None
    index, kind = taken.refused
    again = f"try again in {taken.seconds} seconds"
    if kind == "slots":
        return f"The endpoint '{endpoint}' cannot count any more callers in this minute: {again}."
    limit = limits[index]
    number, unit = (limit.calls, "calls") if kind == "calls" else (limit.tokens, "tokens")
    return f"The endpoint '{endpoint}' takes {number} {unit} a minute {limit.whose}, and they are used up: {again}."


def _head(limits: tuple[Limit, ...], taken: Taken) -> bytes:
    """The header lines as OpenAI has them, of calls and of tokens, each of the limit that has the least room."""
    calls_limit = tokens_limit = UNLIMITED
    calls_left = tokens_left = 0
    for (_, calls, tokens, _), (calls_used, tokens_used) in zip(limits, taken.used, strict=False):
        if calls >= 0 and (calls_limit < 0 or calls - calls_used < calls_left):
            calls_limit, calls_left = calls, calls - calls_used
        if tokens >= 0 and (tokens_limit < 0 or tokens - tokens_used < tokens_left):
            tokens_limit, tokens_left = tokens, tokens - tokens_used
    seconds = taken.seconds
    head = b"" if calls_limit < 0 else _REQUESTS % (calls_limit, max(0, calls_left), seconds)
    return head if tokens_limit < 0 else head + _TOKENS % (tokens_limit, max(0, tokens_left), seconds)


def _lines(unit: bytes) -> bytes:
    return (b"x-ratelimit-limit-%b: %%d\r\nx-ratelimit-remaining-%b: %%d\r\nx-ratelimit-reset-%b: %%ds\r\n") % (
        unit,
        unit,
        unit,
    )


_REQUESTS, _TOKENS = _lines(b"requests"), _lines(b"tokens")
