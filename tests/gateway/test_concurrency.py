"""How many calls an entity works on at once, how many wait for it, and how long."""

from __future__ import annotations

import asyncio
from pathlib import Path

from msgspec import structs

from cloche.domain.ai_gateway import AiGateway, CircuitBreaker, Concurrency, Fallback
from cloche.domain.endpoint import ExternalModel
from cloche.domain.outbound import Timeouts
from cloche.engine.slots import Slots

from .scripted import World
from .test_attempts import ANSWER, refuse, ruled, run, turn
from .test_shared_lines import Host, Worker, at_once

STRICT = {b"cloche-strict-params": b"true"}
ONE = AiGateway(concurrency_config=Concurrency(1, queue_limit=1, queue_seconds=0.1))


def slots(world: World, entity: str = "first") -> Slots:
    """The line in front of an entity."""
    found = world.lasting.entities.of(world.snapshot.current().endpoints["chat"]).standings[entity].slots
    assert isinstance(found, Slots)
    return found


def test_a_place_is_given_back_in_every_end() -> None:
    """A limit of one call at a time: the next goes when the one before has answered, failed, or was left."""

    async def main() -> None:
        world = ruled(ONE)
        for end in ("answer", "fail", "leave", "break"):
            call, _ = world.ask(entity="first", stream=end == "break")
            asked = world.calls[-1]
            waiting, waiter = world.ask(entity="first")
            _, refused = world.ask(entity="first")
            assert (refused.status, refused.json["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
            assert b"retry-after: " in refused.headers
            assert world.calls[-1] is asked
            lines = world.lasting.entities.lines(world.snapshot.current())
            assert lines == {("chat", "first"): (1, 1), ("chat", "second"): (0, 0), ("chat", "spare"): (0, 0)}
            if end == "answer":
                asked.answer(ANSWER)
            elif end == "fail":
                refuse(asked, 500)
            elif end == "leave":
                call.hang_up()
            else:
                asked.receiver.on_head(200, {b"content-type": b"text/plain"})
                asked.receiver.on_data(b"data: garbage\n\n")
            await turn()
            assert world.calls[-1] is not asked, end
            world.calls[-1].answer(ANSWER)
            assert waiter.status == 200
            assert waiting.ended
        standing = world.lasting.entities.of(world.snapshot.current().endpoints["chat"]).standings["first"]
        assert standing.running == 0
        assert standing.slots is not None
        assert (standing.slots.running, standing.slots.waiting) == (0, 0)

    run(main)


def test_waiting_has_an_end() -> None:
    """Who has waited too long is told when to come back, and no place is lost."""

    async def main() -> None:
        world = ruled(ONE)
        world.ask(entity="first")
        made = len(world.calls)
        _, client = world.ask(entity="first")
        await turn(0.12)
        assert (client.status, client.json["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
        assert len(world.calls) == made
        world.calls[-1].answer(ANSWER)
        assert (slots(world).running, slots(world).waiting) == (0, 0)

    run(main)


def test_nobody_waits_longer_than_the_call_may_take(tmp_path: Path) -> None:
    """The time-out of the whole call ends the wait, whoever keeps the line."""

    async def main() -> None:
        rules = AiGateway(concurrency_config=Concurrency(1, queue_limit=1, queue_seconds=30))
        worker = Worker(Host(tmp_path, at_once), 0, asyncio.get_running_loop())
        for world in (ruled(rules), ruled(rules, worker.lines)):
            snapshot = world.snapshot.current()
            chat = snapshot.endpoints["chat"]
            quick = {name: structs.replace(each, timeouts=Timeouts(total=0.15)) for name, each in chat.targets.items()}
            world.snapshot.swap(structs.replace(snapshot, endpoints={"chat": structs.replace(chat, targets=quick)}))
            world.ask(entity="first")
            _, client = world.ask(entity="first")
            await turn(0.06)
            assert (client.status, client.json["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")

    run(main)


def test_who_leaves_while_waiting_is_not_asked_for() -> None:
    """A client that hangs up in the line leaves it."""

    async def main() -> None:
        world = ruled(ONE)
        world.ask(entity="first")
        call, _ = world.ask(entity="first")
        call.hang_up()
        assert slots(world).waiting == 0
        made = len(world.calls)
        world.calls[-1].answer(ANSWER)
        await turn()
        assert len(world.calls) == made
        assert slots(world).running == 0

    run(main)


def test_who_leaves_between_line_and_entity_is_not_asked_for() -> None:
    """Also in the moment in which there is a place and the entity has not been asked."""

    async def main() -> None:
        world = ruled(ONE)
        world.ask(entity="first")
        call, _ = world.ask(entity="first")
        made = len(world.calls)
        world.calls[-1].answer(ANSWER)
        call.hang_up()
        await turn()
        assert len(world.calls) == made
        assert slots(world).running == 0

    run(main)


def test_a_full_entity_is_passed_over_by_fallback() -> None:
    """A full line, and a wait that was too long, lead to the next entity."""

    async def main() -> None:
        world = ruled(structs.replace(ONE, fallback_config=Fallback(True)))
        for _ in range(2):
            world.ask(entity="first")
        hosts = set()
        for _ in range(12):
            world.ask()
            await turn()
            hosts.add(world.calls[-1].call.origin.host)
        assert "second.test" in hosts
        assert "spare.test" in hosts

    run(main)


def test_a_line_is_not_kept_in_front_of_an_open_entity() -> None:
    """However many wait for an entity whose breaker opens: they are refused, and the place is free."""

    async def main() -> None:
        rules = structs.replace(
            ONE,
            concurrency_config=Concurrency(1, queue_limit=3000),
            circuit_breaker_config=CircuitBreaker(True, min_calls=1),
        )
        world = ruled(rules)
        world.ask(entity="first")
        clients = [world.ask(entity="first")[1] for _ in range(3000)]
        refuse(world.calls[-1], 500)
        while slots(world).waiting or slots(world).running:
            await turn()
        assert {client.status for client in clients} == {503}
        assert len(world.calls) == 1

    run(main)


def test_what_an_entity_cannot_do_leaves_no_place_taken() -> None:
    """A request that the entity's dialect has no words for fails, at once or later, and gives its place back."""

    async def main() -> None:
        world = World()
        key = {"anthropic_api_key_plaintext": "sk-secret", "anthropic_api_base": "http://anthropic.test"}
        world.add("chat", ExternalModel("m", "anthropic", "llm/v1/chat", key))
        snapshot = world.snapshot.current()
        chat = structs.replace(snapshot.endpoints["chat"], rules=ONE)
        world.snapshot.swap(structs.replace(snapshot, endpoints={"chat": chat}))
        for _ in range(2):
            _, client = world.ask(headers=STRICT, logit_bias={"7": 1})
            assert client.status == 400
        call, _ = world.ask()
        _, waiter = world.ask(headers=STRICT, logit_bias={"7": 1})
        assert waiter.status == 0
        call.hang_up()
        await turn()
        assert waiter.status == 400
        assert (slots(world, "chat").running, slots(world, "chat").waiting) == (0, 0)

    run(main)


def test_a_new_limit_counts_at_once() -> None:
    """Who waits goes when more may, and calls that run count under the new limit too."""

    async def main() -> None:
        world = ruled(ONE)
        for _ in range(2):
            world.ask(entity="first")
        assert slots(world).waiting == 1
        snapshot = world.snapshot.current()
        more = AiGateway(concurrency_config=Concurrency(3, queue_limit=0))
        chat = structs.replace(snapshot.endpoints["chat"], rules=more)
        world.snapshot.swap(structs.replace(snapshot, endpoints={"chat": chat}))
        world.ask(entity="first")
        await turn()
        assert (slots(world).running, slots(world).waiting, len(world.calls)) == (3, 0, 3)
        _, client = world.ask(entity="first")
        assert client.status == 429

    run(main)
