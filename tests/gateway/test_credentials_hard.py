"""Credentials on loan where what should not happen does: nobody waits for ever, nothing is shown, nobody hammered."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path

import pytest

from cloche.domain.errors import InternalError, ProviderBroken, ProviderCredentials
from cloche.domain.outbound import HttpCall, Timeouts

from .lending import MODELS, TOKENS, Stamp, Tokens, Told, World, run, turn


@pytest.mark.parametrize("name", ["pipe", ".", "no\0path", "\ud800"])
def test_what_is_no_file_is_not_there(tmp_path: Path, name: str) -> None:
    """A pipe that nobody writes to, a folder and what can be no path end the wait as a file that is missing does."""
    os.mkfifo(tmp_path / "pipe")

    async def main() -> None:
        world = World({})
        told = world.call(Tokens(file=f"{tmp_path}/{name}"))
        await turn()
        assert isinstance(told.problem, ProviderCredentials)
        assert told.problem.message == "no token: 404"

    run(main)


def test_a_short_loan_is_not_renewed_with_every_call() -> None:
    """One that lasts for three minutes serves for half of them before another is asked for."""

    async def main() -> None:
        world = World()
        source = Tokens(life=180.0)
        world.call(source)
        await turn()
        world.sent[0].answer(b"t1")
        for _ in range(5):
            world.time += 15
            world.call(source)
            await turn()
        assert len(world.asked(TOKENS)) == 1
        world.time += 30
        world.call(source)
        await turn()
        assert len(world.asked(TOKENS)) == 2
        assert len(world.asked(MODELS)) == 7

    run(main)


def test_a_defect_in_an_authorizer_fails_every_call_that_waits() -> None:
    """Each is told; none is left waiting because the one before it failed."""

    async def main() -> None:
        world = World()
        calls = [world.call() for _ in range(3)]
        await turn()
        world.sent[0].answer(b"defect")
        await turn()
        assert [type(told.problem) for told in calls] == [InternalError] * 3

    run(main)


def test_an_upstream_that_cannot_be_asked_ends_the_wait() -> None:
    """Whatever it raises."""

    async def main() -> None:
        world = World()

        def broken(*_: object) -> None:
            raise RuntimeError("no loop")

        world.credentials.upstream = broken  # type: ignore[assignment]
        told = world.call()
        await turn()
        assert isinstance(told.problem, InternalError)

    run(main)


def test_a_call_that_is_given_up_while_it_waits_is_let_go() -> None:
    """Its body is not kept until the token is there."""

    async def main() -> None:
        world = World()
        told = Told()
        call = HttpCall(MODELS, b"POST /chat\r\n", (b"long",), Stamp(Tokens()))
        exchange = world.credentials.send(call, told, Timeouts())
        gone = weakref.ref(told)
        exchange.cancel()
        await turn()
        del told, call, exchange
        gc.collect()
        assert gone() is None
        world.sent[0].answer(b"t1")
        assert len(world.sent) == 1

    run(main)


@pytest.mark.parametrize("quoted", [b"to/ken+with=signs", b"to\\/ken+with=signs", b"to%2Fken%2Bwith%3Dsigns"])
@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_does_not_quote_what_was_lent(status: int, quoted: bytes) -> None:
    """Neither a refusal nor an error inside a stream, however the value is spelled in it."""

    async def main() -> None:
        world = World()
        told = world.call()
        await turn()
        world.sent[0].answer(b"to/ken+with=signs")
        world.asked(MODELS)[0].answer(b'data: {"error": "bad token ' + quoted + b'"}', status)
        assert told.data == b'data: {"error": "bad token ***"}'

    run(main)


def test_the_answer_to_a_step_is_no_larger_than_a_token_may_be() -> None:
    """A server that goes on and on is stopped."""

    async def main() -> None:
        world = World()
        told = world.call()
        await turn()
        world.sent[0].receiver.on_head(200, {})
        for _ in range(20):
            if not world.sent[0].cancelled:
                world.sent[0].receiver.on_data(b"x" * 100_000)
        await turn()
        assert world.sent[0].cancelled == 1
        assert isinstance(told.problem, ProviderBroken)

    run(main)
