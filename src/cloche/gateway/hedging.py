"""Two entities asked for one call: the second one after a while, and whoever begins to answer first is heard.

Each attempt is given a call of its own, which stands for the real one: the same question and deadline, but its answer
comes here first.  The first answer that begins decides; the other attempt is stopped, and the call notes whose it was:
its provider may ask for what it had done until then, and does not tell.  Must not know how a target is asked, nor when
another one is.
"""

from __future__ import annotations

import asyncio
import time

from msgspec.structs import replace

from cloche.domain.chat import NOTHING_USED
from cloche.domain.errors import Problem
from cloche.domain.outbound import Send
from cloche.gateway.attempts import SHORTEST, Attempts, Errand
from cloche.gateway.call import Call
from cloche.gateway.tried import Tried


class Race:
    """The attempts of one call, two of them at once if the first is slow.  It is the call's Governed and its Source.

    A call that is answered before the delay pays 10 µs for it, and each event of a stream 0.4 µs.
    """

    __slots__ = ("_call", "_errand", "_runners", "_send", "_timer", "_winner")

    def __init__(self, call: Call, errand: Errand) -> None:
        self._call = call
        self._errand = errand
        self._runners: list[_Runner] = []
        self._winner: _Runner | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, send: Send) -> None:
        """Ask the first target."""
        self._send = send
        self._call.governed = self._call.source = self
        hedging = self._errand.rules.hedging_config
        assert hedging is not None
        self._timer = asyncio.get_running_loop().call_later(hedging.delay_seconds, self._hedge)
        self._run(self._errand, self._call.started)

    def _hedge(self) -> None:
        """Nothing has come yet: ask the next target too."""
        self._timer = None
        first = self._runners[0].attempts
        now = time.perf_counter()
        errand = self._errand
        left = errand.targets[0].timeouts.total - (now - self._call.started)
        for target in errand.targets[first.position + 1 :]:
            standing = errand.standings.get(target.entity)
            if left > SHORTEST and (standing is None or standing.shut_for(now) <= 0):
                first.leave_out(target)
                hedge = replace(target, timeouts=replace(target.timeouts, total=left))
                self._run(errand._replace(targets=(hedge,)), now)
                return

    def _run(self, errand: Errand, began: float) -> None:
        """`began`: when the time of its targets began."""
        runner = _Runner(self, self._call, began)
        runner.attempts = Attempts(runner.call, errand)
        self._runners.append(runner)
        # The hedge begins in a timer, where nobody else would end its call.
        runner.call.guard(runner.attempts.start, self._send)

    # ---------------------------------------------------------------- from the attempts

    def won(self, runner: _Runner) -> None:
        """This one begins to answer: it is heard, and no other."""
        self._winner = runner
        self._stop_waiting()
        for other in self._runners:
            if other is not runner:
                self._note_stopped(other)
                other.call.hang_up()
        self._take_over(runner)

    def lost(self, runner: _Runner) -> None:
        """This one will not answer.  The call has failed if there is none besides."""
        if all(each.call.problem is not None for each in self._runners):
            problem = runner.call.problem
            assert problem is not None
            self._stop_waiting()
            self._take_over(runner)
            self._call.fail(problem)

    def _take_over(self, runner: _Runner) -> None:
        """The answer is this one's, and so is what is told of it."""
        real, its = self._call, runner.call
        real.target, real.translation = its.target, its.translation
        real.heard_at = its.heard_at
        tried = [one for each in self._runners if each is not runner for one in each.tried()] + runner.tried()
        real.attempts = tuple(tried) if len(tried) > 1 else ()

    def _note_stopped(self, runner: _Runner) -> None:
        """What it was asked is paid for; an answer that nobody heard is not known."""
        if runner.is_asked:
            self._call.hedge = runner.call.target

    def _stop_waiting(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    # ---------------------------------------------------------------- Governed

    def recover(self, problem: Problem) -> bool:
        """The attempts have done what could be done."""
        return False

    def ended(self) -> None:
        """Stop what is still under way.  A winner that has said all ends by itself; one that still speaks does not: the
        client has left, or its words may not be passed on."""
        winner = self._winner
        call = self._call
        if winner is None and call.target is None and self._runners:
            first, *others = [each for each in self._runners if each.is_asked] or self._runners
            call.target = first.call.target
            if call.outcome == "cancelled" and not first.is_asked:
                call.usage = NOTHING_USED
            for other in others:
                self._note_stopped(other)
        self._close(winner if winner is not None and winner.has_ended else None)

    # ---------------------------------------------------------------- Source

    def pause(self) -> None:
        """The client is slow."""
        if self._winner is not None:
            self._winner.call.slow()

    def resume(self) -> None:
        """The client has caught up."""
        if self._winner is not None:
            self._winner.call.caught_up()

    def cancel(self) -> None:
        """Nobody wants the answer."""
        self._close(None)

    def _close(self, spared: _Runner | None) -> None:
        """Let go of all, and stop those that are not spared: they hold this, and nothing is left to the collector."""
        self._stop_waiting()
        runners, self._runners, self._winner = self._runners, [], None
        for runner in runners:
            if runner is not spared:
                runner.call.hang_up()


class _Runner:
    """One side of a race: the Reply of the call that stands for the real one."""

    __slots__ = ("_race", "_real", "attempts", "call", "has_ended")

    attempts: Attempts

    def __init__(self, race: Race, real: Call, began: float) -> None:
        self._race = race
        self._real = real
        self.has_ended = False
        self.call = call = Call(real.path, self)
        call.id, call.arrived, call.started = real.id, real.arrived, began
        call.grant, call.endpoint, call.task = real.grant, real.endpoint, real.task
        call.stream, call.strict = real.stream, real.strict
        call.trace = real.trace

    @property
    def is_asked(self) -> bool:
        """Whether its target has been asked, and what comes of that is not known."""
        return not self.call.ended and not self.attempts.is_waiting

    def tried(self) -> list[Tried]:
        """Its attempts and what came of each."""
        call, tried, began = self.call, list(self.attempts.tried), self.attempts.began
        if call.outcome == "cancelled" and call.target is not None:
            tried.append(Tried(call.target.entity, "CANCELLED", began, time.perf_counter()))
        elif call.problem is None and call.target is not None:
            tried.append(Tried(call.target.entity, "", began))
        return tried

    # ---------------------------------------------------------------- Reply

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer, or the end of this side's hopes."""
        if self.call.problem is not None:
            self._race.lost(self)
            return
        self.has_ended = True
        self._race.won(self)
        self._real.answer(body, self.call.usage)

    def begin(self, headers: bytes) -> None:
        """A stream begins."""
        self._race.won(self)

    def send(self, data: bytes) -> None:
        """A piece of it.  The words of a failure are the real call's own."""
        if self.call.problem is None:
            self._real.send(data)

    def finish(self) -> None:
        """Its end, or that it broke."""
        self.has_ended = True
        problem = self.call.problem
        if problem is None:
            self._real.finish(self.call.usage)
        else:
            self._real.usage = self.call.usage
            self._real.fail(problem)
