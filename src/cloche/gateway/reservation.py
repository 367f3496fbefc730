"""Tokens that a call holds until it is known how many it used: an estimate before, the provider's count after.

Where the provider counted nothing, as when a stream is cut, what was sent is estimated from its size.  Must not know
which limits there are, or what happens to an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from cloche.domain.chat import NOTHING_USED, ChatRequest, Usage
from cloche.domain.completion import CompletionRequest
from cloche.domain.usage import estimated_tokens
from cloche.gateway.asking import Request
from cloche.gateway.call import Call, Reply
from cloche.gateway.counters import Key

UNBOUNDED_ANSWER = 1024
"""Tokens that are held for an answer that the request does not bound, for each choice."""


def estimate(request: Request) -> tuple[int, int]:
    """Tokens of the prompt, and of the answer at most.  0.5 µs, and 0.1 µs for each message."""
    if isinstance(request, ChatRequest):
        characters = 0
        for message in request.params.messages:
            content = message.content
            characters += len(content if isinstance(content, str) else message.text())
        return _tokens(characters), (request.max_tokens or UNBOUNDED_ANSWER) * (request.params.n or 1)
    if isinstance(request, CompletionRequest):
        params = request.params
        bound = UNBOUNDED_ANSWER if params.max_tokens is None else params.max_tokens
        tries = max(params.best_of or 1, params.n or 1)
        return _of_texts(params.prompt), bound * tries * (request.expected // (params.n or 1))
    return _of_texts(request.params.input), 0


def _tokens(characters: int) -> int:
    return (characters + 4) // 4  # one more, divided by 4, rounded up


def _of_texts(given: str | Sequence[str | list[int] | int]) -> int:
    """A text, texts, a text's tokens, or several such."""
    if isinstance(given, str):
        return _tokens(len(given))
    found = 0
    for each in given:
        if isinstance(each, int):
            found += 1
        else:
            found += _tokens(len(each)) if isinstance(each, str) else len(each)
    return found


class Settling(Protocol):
    """The counters under which tokens are held."""

    def settle(self, minute: int, changes: Iterable[tuple[Key, int]]) -> None:
        """Give tokens back that were counted in a minute, or count more of them."""


class Reservation:
    """What one call holds, and under which keys, counted in one minute.  `expected`: tokens of prompt and answer."""

    __slots__ = ("_counters", "_expected", "_held", "_meter", "_minute")

    def __init__(self, counters: Settling, minute: int, held: list[tuple[Key, int]], expected: tuple[int, int]) -> None:
        self._counters = counters
        self._minute = minute
        self._held = held
        self._expected = expected
        self._meter: Meter | None = None

    def metered(self, reply: Reply) -> Reply:
        """The way back to the client, which counts what goes it."""
        self._meter = Meter(reply)
        return self._meter

    def settle(self, call: Call) -> None:
        """The call has ended: keep what it used, and give the rest back."""
        used = self._used(call)
        self._meter = None  # it holds the reply, which holds the call
        changes = [(key, used - held) for key, held in self._held if used != held]
        if changes:
            self._counters.settle(self._minute, changes)

    def _used(self, call: Call) -> int:
        return used(call, self._expected, self._meter).total_tokens


def used(call: Call, expected: tuple[int, int], meter: Meter | None) -> Usage:
    """What a call that has ended used: as it was counted, or else by the estimate and what was sent."""
    if call.usage is not None:
        return call.usage
    if call.target is None or (call.outcome == "error" and not call.streaming and call.withheld is None):
        return NOTHING_USED
    prompt, answer = asked(call, expected[0]), expected[1]
    if call.tracked is not None:
        sent = estimated_tokens(call.tracked.output_characters())
    else:
        sent = 0 if meter is None else meter.tokens()
    return Usage(prompt, min(sent + estimated_tokens(call.withheld or 0), answer))


def asked(call: Call, expected: int) -> int:
    """Tokens of the prompt by the estimate: that of the usage tables where the call is in them, so that both agree."""
    return expected if call.tracked is None else estimated_tokens(call.tracked.input_characters)


class Meter:
    """A Reply that counts.  An event's frame is no text, so the smallest event is taken off each.  0.4 µs a piece."""

    __slots__ = ("_bytes", "_events", "_frame", "_reply")

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._bytes = 0
        self._events = 0
        self._frame = 0

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """Counted with its frame, if it is an answer."""
        if status == 200:
            self._bytes = len(body)
        self._reply.whole(status, headers, body)

    def begin(self, headers: bytes) -> None:
        """Passed on."""
        self._reply.begin(headers)

    def send(self, data: bytes) -> None:
        """Counted and passed on."""
        events = data.count(b"data: ")
        if events:
            self._events += events
            self._bytes += len(data)
            frame = len(data) // events
            if frame < self._frame or not self._frame:
                self._frame = frame
        self._reply.send(data)

    def finish(self) -> None:
        """Passed on."""
        self._reply.finish()

    def tokens(self) -> int:
        """Of what was sent: one for each event with text at least."""
        if not self._bytes:
            return 0
        return max(self._events - 1, _tokens(self._bytes - self._events * self._frame))
