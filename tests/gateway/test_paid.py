"""What is paid for answers that the client does not get, and for calls that never came to be asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloche.domain.ai_gateway import (
    AiGateway,
    Concurrency,
    GuardrailParameters,
    Guardrails,
    Hedging,
    RateLimit,
    Retries,
    UsageTracking,
)
from cloche.domain.errors import ProviderTimeout
from cloche.gateway.call import Call

from .test_attempts import refuse, run, turn
from .test_budgets import ANSWER, Till, budget
from .test_guarding import BLOCK, EMAIL, delta, stream


def test_what_a_guard_keeps_from_the_client_is_paid(tmp_path: Path) -> None:
    """Of a stream that is blocked before anything of it was sent, the prompt and what came, by the estimate."""

    async def main() -> None:
        one = budget(1000)
        rules = AiGateway(guardrails=Guardrails(output=BLOCK), usage_tracking_config=UsageTracking(True))
        till = Till(tmp_path, one, rules=rules)
        _, client = till.ask(max_tokens=100, stream=True)
        till.last.head()
        till.last.receiver.on_data(stream(delta(content=f"write to {EMAIL} now, "), done=False))
        assert (client.status, client.begun, till.last.cancelled) == (400, 0, 1)
        assert till.spent(one) == (7, 0), "as the usage table has it"
        (row,) = till.ledger.take(2)
        assert (row.estimated, row.input_token_count, row.output_token_count) == (True, 0, 7)

    run(main)


def test_a_stream_that_breaks_while_it_is_kept_is_paid(tmp_path: Path) -> None:
    """Nothing of it was sent because it was to be looked at as a whole; the provider has worked all the same."""

    async def main() -> None:
        one, kept = budget(1000), GuardrailParameters(valid_topics=["tax law"])
        till = Till(tmp_path, one, rules=AiGateway(guardrails=Guardrails(output=kept)))
        for leaves in (False, True):
            call, client = till.ask(max_tokens=100, stream=True)
            till.last.head()
            till.last.receiver.on_data(stream(delta(content="that is what the tax law says"), done=False))
            if leaves:
                call.hang_up()
            else:
                till.last.receiver.on_failure(ProviderTimeout("the provider fell silent"))
                assert client.status == 504
        assert till.spent(one) == (2 * (1 + 7), 0)

    run(main)


def test_who_leaves_while_nobody_is_asked_pays_nothing(tmp_path: Path) -> None:
    """In the line in front of an entity, and between two attempts."""

    async def main() -> None:
        one = budget(1000)
        rules = AiGateway(concurrency_config=Concurrency(1, 5, 30.0), retry_config=Retries(1, 30.0))
        till = Till(tmp_path, one, rules=rules)
        first, _ = till.ask(entity="first", max_tokens=9)
        waiting, _ = till.ask(entity="first", max_tokens=9)
        waiting.hang_up()
        assert till.spent(one) == (0, 10)
        refuse(till.last, 500)
        first.hang_up()
        assert till.spent(one) == (0, 0)

    run(main)


def test_of_a_race_who_was_asked_is_paid(tmp_path: Path) -> None:
    """Who leaves while the second waits for a place pays the first's prompt, and no other; if the first has failed, or
    waits as well, nothing; both are paid where both were asked."""

    async def main() -> None:
        one = budget(1000)
        rules = AiGateway(hedging_config=Hedging(0.01), concurrency_config=Concurrency(1, 5, 30.0))
        till = Till(tmp_path, one, rules=rules)

        async def race() -> Call:
            """One whose first target is asked, and that has waited for the second."""
            while True:
                call, _ = till.ask(max_tokens=9)
                if till.last.call.origin.host == "first.test" and not till.last.cancelled:
                    await turn(0.01)
                    return call
                call.hang_up()

        both = await race()
        assert len({each.call.origin.host for each in till.calls if not each.cancelled}) == 2
        before = till.spent(one)[0]
        both.hang_up()
        assert till.spent(one) == (before + 2, 0)
        blocking, _ = till.ask(entity="second", max_tokens=9)
        for fails, paid in ((False, 1), (True, 0)):
            call = await race()
            before = till.spent(one)[0]
            first = till.last
            assert first.call.origin.host == "first.test", "the second waits for its place"
            if fails:
                refuse(first, 500)
            call.hang_up()
            assert till.spent(one)[0] == before + paid
        occupied, _ = till.ask(entity="first", max_tokens=9)
        before = till.spent(one)[0]
        waiting, _ = till.ask(max_tokens=9)
        await turn(0.01)
        waiting.hang_up()
        assert till.spent(one)[0] == before
        for each in (blocking, occupied):
            each.hang_up()

    run(main)


@pytest.mark.parametrize(("prompt", "answer"), [(-1000, 5), (5, -1000), (10**19, 1), (2**62, 2**62)])
def test_counts_that_cannot_be_are_estimated(tmp_path: Path, prompt: int, answer: int) -> None:
    """What a provider tells by mistake gives nobody money back, and takes no call with it."""

    async def main() -> None:
        one = budget(1000)
        till = Till(tmp_path, one, rules=AiGateway(rate_limits=[RateLimit("minute", tokens=10**6)]))
        till.ask(max_tokens=9)
        told = json.loads(ANSWER) | {"usage": {"prompt_tokens": prompt, "completion_tokens": answer}}
        till.last.answer(json.dumps(told).encode())
        spent, held = till.spent(one)
        assert 1 <= spent <= 10
        assert held == 0
        assert (till.idle, len(till.records)) == (True, 1)

    run(main)
