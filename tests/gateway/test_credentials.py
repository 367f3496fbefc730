"""Credentials on loan: one loan for all calls that need it, renewed in time, and every failure told to who waits."""

from __future__ import annotations

from email.utils import formatdate
from pathlib import Path

import pytest

from cloche.domain.errors import ProviderBusy, ProviderCredentials, ProviderUnreachable
from cloche.domain.lending import Found, Lent
from cloche.domain.outbound import HttpCall, Timeouts

from .lending import HOUR, MODELS, TOKENS, Defect, Patient, Tokens, Told, World, run, turn


def test_a_call_without_an_authorizer_passes_through() -> None:
    """It is the very call that is sent."""
    world = World()
    call = HttpCall(MODELS, b"", ())
    told = Told()
    exchange = world.credentials.send(call, told, Timeouts())
    assert world.sent[0].call is call
    assert world.sent[0].receiver is told
    assert exchange is world.sent[0]


def test_one_loan_serves_everybody() -> None:
    """Fifty calls at once ask for one token; those after it for none."""

    async def main() -> None:
        world = World()
        calls = [world.call() for _ in range(50)]
        await turn()
        assert len(world.sent) == 1
        world.sent[0].answer(b"t1")
        assert [each.call.head for each in world.asked(MODELS)] == [b"POST /chat\r\nauthorization: t1\r\n"] * 50
        for each in world.asked(MODELS):
            each.answer(b"yes")
        assert all((told.status, told.data, told.ends) == (200, b"yes", 1) for told in calls)
        world.call()
        assert len(world.asked(TOKENS)) == 1
        assert len(world.asked(MODELS)) == 51

    run(main)


def test_different_sources_lend_apart() -> None:
    """Each has a loan of its own."""

    async def main() -> None:
        world = World()
        world.call(Tokens("a"))
        world.call(Tokens("b"))
        await turn()
        assert len(world.asked(TOKENS)) == 2

    run(main)


def test_a_loan_is_renewed_while_it_serves() -> None:
    """In its last minutes calls go on with it while another is obtained; one that has ended is waited for."""

    async def main() -> None:
        world = World()
        world.call()
        await turn()
        world.sent[0].answer(b"t1")
        world.time += HOUR - 200
        world.call()
        world.call()
        await turn()
        assert [each.call.head[-4:-2] for each in world.asked(MODELS)] == [b"t1"] * 3
        assert len(world.asked(TOKENS)) == 2
        world.asked(TOKENS)[1].answer(b"t2")
        world.call()
        assert world.sent[-1].call.head.endswith(b"t2\r\n")
        world.time += HOUR
        world.call()
        await turn()
        assert world.sent[-1].call.origin == TOKENS

    run(main)


def test_a_failed_renewal_costs_nothing_while_the_loan_serves() -> None:
    """Calls go on, and the token server is asked again after a while only."""

    async def main() -> None:
        world = World()
        world.call()
        await turn()
        world.sent[0].answer(b"t1")
        world.time += HOUR - 200
        world.call()
        await turn()
        world.asked(TOKENS)[1].receiver.on_failure(ProviderUnreachable("gone"))
        assert world.call().problem is None
        await turn()
        assert len(world.asked(TOKENS)) == 2
        world.time += 11
        world.call()
        await turn()
        assert len(world.asked(TOKENS)) == 3

    run(main)


def test_a_failure_is_told_to_everybody_who_waits() -> None:
    """And to who comes at once after it, without another question; a second later there is another."""

    async def main() -> None:
        world = World()
        first, second = world.call(), world.call()
        await turn()
        world.sent[0].answer(b"no", status=400)
        await turn()
        assert first.problem is not None
        assert first.problem is second.problem
        assert "no token: 400" in first.problem.message
        third = world.call()
        assert third.problem is None, "never from inside send"
        await turn()
        assert third.problem is first.problem
        assert len(world.sent) == 1
        world.time += 2
        world.call()
        await turn()
        assert len(world.sent) == 2

    run(main)


def test_a_source_may_know_another_way() -> None:
    """What is not there, or not reached, is told to the source, which goes on."""

    async def main() -> None:
        world = World({})
        world.call(Patient())
        await turn()
        world.asked(TOKENS)[0].receiver.on_failure(ProviderUnreachable("gone"))
        assert world.asked(MODELS)[0].call.head.endswith(b"last\r\n")
        other = World({"TOKEN": "env"})
        other.call(Patient())
        await turn()
        assert other.sent[0].call.head.endswith(b"env\r\n")

    run(main)


def test_a_defect_in_a_source_ends_the_calls_that_wait() -> None:
    """They are told that it is cloche's fault, and no word of what it was about."""

    async def main() -> None:
        world = World()
        told = world.call(Defect())
        await turn()
        world.sent[0].answer(b"{}")
        await turn()
        assert told.problem is not None
        assert told.problem.status == 500
        assert "access_token" not in told.problem.message

    run(main)


def test_what_belongs_to_the_host_must_be_allowed(tmp_path: Path) -> None:
    """Files, variables and the machine's own services; where it is allowed they are read."""
    file = tmp_path / "token"
    file.write_text("from a file")

    async def main() -> None:
        for source in (Tokens(file=str(file)), Tokens(of_host=True), Patient()):
            world = World()
            told = world.call(source)
            await turn()
            assert told.problem is not None
            assert told.problem.status == 500
            assert "--allow-host-credentials" in told.problem.message
            assert not world.sent
        world = World({})
        world.call(Tokens(file=str(file)))
        lost = world.call(Tokens(file=str(tmp_path / "no such file")))
        await turn()
        assert world.sent[0].call.head.endswith(b"from a file\r\n")
        assert lost.problem is not None
        assert "no token: 404" in lost.problem.message

    run(main)


def test_a_call_that_nobody_wants_is_not_sent() -> None:
    """Cancelled while it waits it is dropped; the loan is kept for the next."""

    async def main() -> None:
        world = World()
        told = world.call()
        world.exchange.cancel()
        await turn()
        world.sent[0].answer(b"t1")
        assert not world.asked(MODELS)
        assert told.problem is None
        world.call()
        world.exchange.cancel()
        assert world.asked(MODELS)[0].cancelled == 1

    run(main)


def test_a_pause_is_remembered() -> None:
    """A client that is slow before the call is sent is slow after it."""

    async def main() -> None:
        world = World()
        world.call()
        world.exchange.pause()
        await turn()
        world.sent[0].answer(b"t1")
        assert world.asked(MODELS)[0].paused
        world.exchange.resume()
        assert not world.asked(MODELS)[0].paused

    run(main)


@pytest.mark.parametrize("status", [401, 403])
def test_a_clock_that_is_off_is_named(status: int) -> None:
    """A refusal whose date is ten minutes away is explained by it, once, and the exchange ends."""

    async def main() -> None:
        world = World()
        told = world.call()
        await turn()
        world.sent[0].answer(b"t1")
        model = world.asked(MODELS)[0]
        model.answer(b"expired", status, {b"date": formatdate(world.time - 600, usegmt=True).encode()})
        assert isinstance(told.problem, ProviderCredentials)
        assert "10 minutes" in told.problem.message
        assert (told.status, told.data, told.ends, model.cancelled) == (0, b"", 0, 1)

    run(main)


def test_a_refused_loan_is_not_used_again() -> None:
    """The refusal goes to the translator, and the next call asks for another token, unless this one is brand-new."""

    async def main() -> None:
        world = World()
        told = world.call()
        await turn()
        world.sent[0].answer(b"t1")
        world.asked(MODELS)[0].answer(b"no", 401)
        assert (told.status, told.data, told.problem) == (401, b"no", None)
        world.call()
        assert len(world.asked(MODELS)) == 2
        world.time += 60
        world.asked(MODELS)[1].answer(b"no", 401)
        world.call()
        await turn()
        assert len(world.asked(TOKENS)) == 2

    run(main)


def test_what_cannot_be_put_on_a_call_fails_it() -> None:
    """The authorizer's Problem is the call's."""

    async def main() -> None:
        world = World()
        told = world.call()
        await turn()
        world.sent[0].answer(b"useless")
        await turn()
        assert told.problem is not None
        assert told.problem.message == "that cannot be used"

    run(main)


def test_nothing_shows_a_secret() -> None:
    """What is lent and what was found have no secret in their repr."""
    assert "hush" not in repr(Lent({"token": "hush"})) + repr(Found(200, {}, b"hush"))


def test_loans_that_nobody_uses_are_forgotten() -> None:
    """An endpoint that is gone leaves nothing behind; a busy loan stays."""

    async def main() -> None:
        world = World()
        world.call(Tokens("old"))
        await turn()
        world.sent[0].answer(b"t1")
        world.time += 2 * HOUR
        world.call(Tokens("new"))
        world.time -= 2 * HOUR
        world.call(Tokens("old"))
        await turn()
        assert len(world.asked(TOKENS)) == 3, "the old loan was forgotten"

    run(main)


def test_a_busy_token_server_is_passed_on() -> None:
    """Its Problem, with the time to wait, is the call's."""

    async def main() -> None:
        world = World()
        told = world.call()
        await turn()
        world.sent[0].receiver.on_failure(ProviderBusy("slow down", retry_after=7))
        await turn()
        assert told.problem is not None
        assert told.problem.retry_after == 7

    run(main)
