"""An answer that is looked at as a whole before any of it is sent: by a judge, or by rules that need all of it.

The attempts are given a call of its own, as in a race (hedging.py): its answer is kept here, a stream up to
`MAX_STREAM` bytes, and passed on to the real call when it may be.  So a client waits for the whole answer and for the
judge, and what may not be said is a real error.  What is judged is masked first, if it is masked at all, and what the
judge quotes as personal data is masked then.  Must not know who judges.
"""

from __future__ import annotations

from cloche.domain.errors import Problem
from cloche.gateway import guarding
from cloche.gateway.asking import Request
from cloche.gateway.call import Call
from cloche.gateway.judging import Begin, Judgement
from cloche.guardrails.guard import Guards
from cloche.guardrails.inspecting import Said, Verdict
from cloche.guardrails.verdict import Blocked
from cloche.wire import judging, text_lengths
from cloche.wire.assembled import assembled

MAX_STREAM = 8 * 1024 * 1024
"""Bytes of a stream, about 40,000 events; of a longer one nobody can say whether it may be said."""


class JudgedAnswer:
    """The Reply of the call that is answered, `call`; the real call's Governed and its Source."""

    __slots__ = (
        "_asked",
        "_events",
        "_guards",
        "_has_ended",
        "_judge",
        "_judgement",
        "_real",
        "_size",
        "_streams",
        "call",
    )

    def __init__(self, real: Call, request: Request, guards: Guards, judge: Begin) -> None:
        self._real = real
        self._guards = guards
        self._judge = judge
        self._asked = [each for each in judging.asked(request) if each.role == "user"][-1:]
        self._events: list[bytes] = []
        self._size = 0
        self._streams = False
        self._has_ended = False
        self._judgement: Judgement | None = None
        self.call = call = Call(real.path, self)
        call.id, call.arrived, call.started = real.id, real.arrived, real.started
        call.grant, call.endpoint, call.task = real.grant, real.endpoint, real.task
        call.stream, call.strict, call.headers = real.stream, real.strict, real.headers
        call.trace = real.trace
        real.governed = real.source = self

    # ---------------------------------------------------------------- Reply

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer, or why there is none."""
        self._has_ended = True
        self._take_over()
        problem = self.call.problem
        if problem is not None:
            self._real.guard(self._fail, problem)
        else:
            self._real.guard(self._look, body, body)

    def begin(self, headers: bytes) -> None:
        """Nothing is sent yet."""

    def send(self, data: bytes) -> None:
        """Keep a piece."""
        self._events.append(data)
        self._size += len(data)
        if self._size > MAX_STREAM and not self._has_ended:
            self._has_ended = True
            source = self.call.source
            self.call.finish(self.call.usage)
            if source is not None:
                source.cancel()

    def finish(self) -> None:
        """All of it is there, or it broke."""
        self._streams = True
        self._has_ended = True
        self._take_over()
        self._real.withheld = text_lengths.of_events(self._events)
        problem = self.call.problem
        data, self._events = b"".join(self._events), []
        if problem is not None:
            self._real.guard(self._fail, problem)
        elif self._size > MAX_STREAM:
            self._real.guard(self._refuse, Blocked("unreadable"))
        else:
            self._real.guard(self._look, assembled([data]), data)

    def _release(self, data: bytes) -> None:
        """Pass on what may be said."""
        if not self._streams:
            self._real.answer(data, self.call.usage)
            return
        self._real.withheld = None
        self._real.send(data)
        self._real.finish(self.call.usage)

    def _fail(self, problem: Problem) -> None:
        self._real.fail(problem)

    # ---------------------------------------------------------------- the verdict

    def _look(self, body: bytes, data: bytes) -> None:
        """Have an answer judged.  `data`: what came, and is passed on."""
        review, guard = self._guards.answered, self._guards.output
        assert review is not None
        try:
            text = judging.answered(body)
            if guard is not None:
                text = guard.passed(text)
            said = [*self._asked, Said("assistant", text)]
            review.inspect(said)
        except Blocked as why:
            self._refuse(why)
            return
        if review.brief is None:
            self._release(data)
            return

        def judged(verdict: Verdict) -> None:
            self._real.guard(self._judged, data, verdict)

        self._judgement = Judgement(review.brief, said, judged)
        self._judgement.ask(self._judge, self._real.grant, self._real.id)

    def _judged(self, data: bytes, verdict: Verdict) -> None:
        self._judgement = None
        why = verdict.blocked
        if why is None and verdict.quotes is not None:
            try:
                data = guarding.without(data, verdict.quotes, self._guards, streams=self._streams)
            except (Blocked, RecursionError) as it:
                why = it if isinstance(it, Blocked) else Blocked("unreadable")
        if why is not None:
            self._refuse(why)
            return
        self._real.heard()  # what the judge took is not cloche's own time
        self._release(data)

    def _refuse(self, why: Blocked) -> None:
        self._judgement = None
        self._real.withheld = self._real.withheld or 0
        guarding.refuse(self._real, "output", why)

    def _take_over(self) -> None:
        """What is told of the answer is told of the real call."""
        real, its = self._real, self.call
        real.target, real.translation, real.attempts = its.target, its.translation, its.attempts
        real.heard_at, real.usage, real.coalesced = its.heard_at, its.usage, its.coalesced
        real.hedge = its.hedge

    # ---------------------------------------------------------------- Governed

    def recover(self, problem: Problem) -> bool:
        """The attempts have done what could be done."""
        return False

    def ended(self) -> None:
        """Stop what is still under way.  What was asked and stopped is told of the real call, too."""
        under_way = not self._has_ended
        self.cancel()
        if under_way:
            self._real.withheld = text_lengths.of_events(self._events) if self._events else None
            self._take_over()

    # ---------------------------------------------------------------- Source

    def pause(self) -> None:
        """Nothing is sent before all is there."""

    def resume(self) -> None:
        """Nothing was paused."""

    def cancel(self) -> None:
        """Nobody wants the answer."""
        judgement, self._judgement = self._judgement, None
        if judgement is not None:
            judgement.cancel()
        if not self._has_ended:
            self._has_ended = True
            self.call.hang_up()
