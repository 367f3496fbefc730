"""Asking a judge, the endpoint that says what may be asked or answered, by a call of cloche's own.

The call is one like any other: by the judge's own rules, counted and logged as a call of the judge by whoever made the
call that is judged, whose id it bears as its client's.  Nothing is awaited: the verdict is told once, or the judge's
failure as the rules want it, and nothing is told once nobody wants it.  Must not know what a question looks like.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cloche.domain.chat import ChatRequest
from cloche.gateway.call import Call
from cloche.guardrails.inspecting import Brief, Said, Verdict
from cloche.guardrails.verdict import Blocked
from cloche.snapshot import Grant
from cloche.wire import judging

if TYPE_CHECKING:
    from cloche.gateway.pipeline import Gateway

log = logging.getLogger("cloche.gateway")

PATH = "guardrails/judge"
"""What the log has in place of a path."""

Told = Callable[[Verdict], None]
"""Takes a verdict."""

Begin = Callable[[Call, ChatRequest], None]
"""Has a call of cloche's own answered, whatever becomes of it."""


class Judgement:
    """One question to a judge: the Reply of the call that asks it, and the Source of the call that waits for it."""

    __slots__ = ("_brief", "_call", "_question", "_said", "_timer", "_told")

    def __init__(self, brief: Brief, said: Sequence[Said], told: Told) -> None:
        self._brief = brief
        self._said = said
        self._question = judging.question(brief, said)
        self._told: Told | None = told
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, begin: Begin, grant: Grant | None, judged: str) -> None:
        """`grant`: whose call is judged; `judged`: its id.  The verdict may be told before this returns."""
        judge = self._brief.judge
        self._call = call = Call(PATH, self)
        call.endpoint, call.grant, call.client_request_id = judge.endpoint_name, grant, judged
        self._timer = asyncio.get_running_loop().call_later(judge.timeout_seconds, self._late)
        begin(call, self._question)

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """The judge has answered, or failed."""
        if status != 200:
            problem = self._call.problem
            self._fail("" if problem is None else problem.summary)
            return
        try:
            verdict = judging.verdict(self._brief, self._said, body)
        except judging.NoVerdict as why:
            self._fail(str(why))
            return
        self._tell(verdict)

    def begin(self, headers: bytes) -> None:
        """A judge is asked for whole answers only."""

    def send(self, data: bytes) -> None:
        """A judge is asked for whole answers only."""

    def finish(self) -> None:
        """A judge is asked for whole answers only."""

    def pause(self) -> None:
        """Nothing comes."""

    def resume(self) -> None:
        """Nothing was paused."""

    def cancel(self) -> None:
        """Nobody wants the verdict."""
        if self._told is not None:
            self._stop()
            self._call.hang_up()

    def _late(self) -> None:
        self._call.hang_up()
        self._fail(f"it took longer than {self._brief.judge.timeout_seconds:g} s")

    def _fail(self, why: str) -> None:
        judge, call = self._brief.judge, self._call
        told = "blocked" if judge.on_failure == "block" else "let pass unjudged"
        log.warning(
            "call %s was %s, because '%s' gave no verdict: %s", call.client_request_id, told, call.endpoint, why
        )
        self._tell(Verdict(Blocked("judge_failed", {"judge_failed": 1.0}) if judge.on_failure == "block" else None))

    def _tell(self, verdict: Verdict) -> None:
        told = self._told
        self._stop()
        if told is not None:
            told(verdict)

    def _stop(self) -> None:
        self._told = None
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


class Trials:
    """Judges for whoever tries rules, in threads.  `loop`: where calls are made."""

    def __init__(self, gateway: Gateway, loop: asyncio.AbstractEventLoop) -> None:
        self._gateway = gateway
        self._loop = loop

    def __call__(self, brief: Brief, said: Sequence[Said], grant: Grant | None, request_id: str) -> Verdict:
        """The verdict.  Waits, as long as the judge may take."""
        waiting: concurrent.futures.Future[Verdict] = concurrent.futures.Future()
        judgement = Judgement(brief, said, waiting.set_result)
        ask = functools.partial(judgement.ask, self._gateway.ask_inside, grant, request_id)
        self._loop.call_soon_threadsafe(ask)
        return waiting.result()
