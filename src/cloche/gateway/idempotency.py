"""`Idempotency-Key`: who asks the same once more under the same key gets the same answer, and nobody is asked again.

Whole answers are kept, for a day, for the caller and the endpoint that they were for; errors, and answers whose client
went away, are not, so that another try is one.  While the first call is under way, the others look every 50 ms whether
it has ended.  Must not know how answers are kept, or what a call asks.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable

from cloche.domain.chat import NOTHING_USED
from cloche.domain.errors import InvalidParameter, NotReady
from cloche.gateway.call import Call
from cloche.gateway.keeping import Keeping
from cloche.gateway.kept_answers import Claim, KeptAnswers, OtherRequest

log = logging.getLogger("cloche.gateway")

HEADER = b"idempotency-key"
_LONGEST = 255
_LOOK_AGAIN_SECONDS = 0.05


class Once:
    """One call that has a key.  It is its Source while another one is under way.

    `go_on`: has the call answered.  `on_replay`: is told that it is not going to be, because there is an answer.
    """

    def __init__(
        self, answers: KeptAnswers, call: Call, go_on: Callable[[], None], on_replay: Callable[[], None]
    ) -> None:
        self._answers = answers
        self._call = call
        self._go_on = go_on
        self._on_replay = on_replay
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, key: bytes, endpoint_id: str, asked: bytes) -> None:
        """Go on, or answer as before, or wait.  InvalidParameter for a key of another request."""
        if not 0 < len(key) <= _LONGEST:
            raise InvalidParameter(f"Idempotency-Key: must have 1 to {_LONGEST} characters")
        call = self._call
        assert call.grant is not None
        parts = (call.grant.principal.id, endpoint_id, key.decode("latin-1"))
        self._name = "".join(f"{len(part)}:{part}" for part in parts)
        # A client that cannot read a stream gets another answer to the same body.
        self._asked = b"%b %b %b" % (call.task.encode(), b"stream" if call.stream else b"whole", asked)
        self._look()

    def _look(self) -> None:
        self._timer = None
        try:
            found = self._answers.claim(self._name, self._asked)
        except OtherRequest:
            raise InvalidParameter(
                "Idempotency-Key: another request was sent with this key; send a new key with a new request"
            ) from None
        except OSError as error:
            log.warning("answers cannot be kept for Idempotency-Key: %s", error)
            raise NotReady("Idempotency-Key: answers cannot be kept at the moment.", retry_after=5) from None
        call = self._call
        if found is None:
            if not call.sent_at:
                call.sent_at = time.perf_counter()  # what the first call takes is not cloche's own time
            call.source = self
            again = functools.partial(call.guard, self._look)
            self._timer = asyncio.get_running_loop().call_later(_LOOK_AGAIN_SECONDS, again)
            return
        call.source = None
        if isinstance(found, Claim):
            keeping = call.reply = Keeping(call.reply)
            call.on_end = functools.partial(_ended, found, keeping, call.on_end)
            self._go_on()
            return
        call.replayed = True
        self._on_replay()
        if call.sent_at:
            call.heard()
        if found.streamed:
            call.send(found.content)
            call.finish(NOTHING_USED)
        else:
            call.answer(found.content, NOTHING_USED)

    def pause(self) -> None:
        """Nothing comes."""

    def resume(self) -> None:
        """Nothing was paused."""

    def cancel(self) -> None:
        """Nobody wants the answer."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def _ended(claim: Claim, keeping: Keeping, on_end: Callable[[Call], None] | None, call: Call) -> None:
    answer = keeping.kept() if call.outcome == "ok" and call.status == 200 else None
    keeping.release()
    try:
        if answer is None:
            claim.drop()
        else:
            claim.keep(answer)
    except OSError as error:
        log.warning("an answer could not be kept for Idempotency-Key: %s", error)
    if on_end is not None:
        on_end(call)
