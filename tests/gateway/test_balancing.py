"""Choosing the first entity of a call: by share, by load, by speed, or by what calls have in common."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest
from msgspec import structs

from cloche.domain.ai_gateway import AiGateway, CircuitBreaker, Routing
from cloche.gateway import balancing
from cloche.gateway.entities import Candidate, Entities, Known, Standing
from cloche.snapshot import Target

from .scripted import TOKEN, World
from .test_attempts import ANSWER, refuse, ruled, run, turn

BREAKER = CircuitBreaker(True, min_calls=1)


def known(rules: AiGateway) -> Known:
    """The endpoint `chat`, split 30 to 70, under these rules."""
    return Entities().of(ruled(rules).snapshot.current().endpoints["chat"])


def firsts(endpoint: Known, count: int = 4000) -> Counter[str]:
    """Where so many calls begin."""
    dice = random.Random(7).random
    return Counter(balancing.first(endpoint, None, 0.0, dice).entity for _ in range(count))


def shared(shares: Mapping[str, int]) -> list[Candidate]:
    """Entities with these shares."""
    world = World()
    some = world.snapshot.current().endpoints["chat"].targets["first"]
    return [Candidate(structs.replace(some, entity=name), share, Standing()) for name, share in shares.items()]


def placed(shares: Mapping[str, int], keys: int = 4000) -> dict[str, str]:
    """Which entity each key has."""
    candidates = shared(shares)

    def entity(target: Target) -> str:
        return target.entity

    return {str(key): entity(balancing.sticky("e1", str(key), candidates)) for key in range(keys)}


def test_shares_hold() -> None:
    """Without a strategy the split is that of the percentages, and entities without a share get nothing."""
    found = firsts(known(AiGateway(circuit_breaker_config=BREAKER)))
    assert set(found) == {"first", "second"}
    assert 0.27 < found["first"] / 4000 < 0.33


def test_the_least_busy_is_asked() -> None:
    """Fewest calls under way for its share."""
    endpoint = known(AiGateway(routing_config=Routing("least_busy")))
    standings = endpoint.standings
    for _ in range(100):
        name = balancing.first(endpoint, None, 0.0, random.random).entity
        standings[name].running += 1
    assert (standings["first"].running, standings["second"].running) == (30, 70)
    standings["second"].running = 20
    assert firsts(endpoint) == {"second": 4000}


def test_the_quicker_is_asked() -> None:
    """By what was measured, times the calls that are under way there."""
    endpoint = known(AiGateway(routing_config=Routing("latency")))
    standings = endpoint.standings
    standings["first"].measure(0.1, 0.0)
    standings["second"].measure(0.3, 0.0)
    assert firsts(endpoint) == {"first": 4000}
    standings["first"].running = 3
    assert firsts(endpoint) == {"second": 4000}


def test_a_peak_is_believed_at_once_and_forgotten_slowly() -> None:
    """One slow answer counts in full; later ones and time bring it down."""
    standing = Standing()
    standing.measure(0.1, 0.0)
    standing.measure(2.0, 0.1)
    assert standing.cost(0.1) == 2.0
    standing.measure(0.1, 0.2)
    assert 1.9 < standing.cost(0.2) < 2.0
    assert standing.cost(60.0) < 0.01


def test_what_is_not_measured_is_tried_by_one() -> None:
    """A new entity gets a call, and no others before that one is back."""
    endpoint = known(AiGateway(routing_config=Routing("latency")))
    endpoint.standings["first"].measure(0.1, 0.0)
    assert firsts(endpoint) == {"second": 4000}
    endpoint.standings["second"].running = 1
    assert firsts(endpoint) == {"first": 4000}


def test_a_failure_is_not_quick() -> None:
    """An entity that fails at once does not draw the calls."""

    async def main() -> None:
        world = ruled(AiGateway(routing_config=Routing("latency")))
        hosts: Counter[str] = Counter()
        for _ in range(50):
            world.ask()
            host = world.calls[-1].call.origin.host
            hosts[host] += 1
            if host == "first.test":
                refuse(world.calls[-1], 500)
            else:
                await turn(0.001)
                world.calls[-1].answer(ANSWER)
        assert hosts["first.test"] <= 1

    run(main)


def test_keys_are_spread_by_the_shares() -> None:
    """As many keys as the share says, within chance."""
    counts = Counter(placed({"a": 20, "b": 30, "c": 50}).values())
    for name, share in (("a", 0.2), ("b", 0.3), ("c", 0.5)):
        assert abs(counts[name] / 4000 - share) < 0.03


def test_a_key_is_where_it_always_was() -> None:
    """These are what other replicas, and later versions, must find too."""
    candidates = shared({"a": 20, "b": 30, "c": 50})
    found = "".join(balancing.sticky("endpoint", f"user-{number}", candidates).entity for number in range(20))
    assert found == "caacbbccbbcaccbcabbb"


@pytest.mark.parametrize(
    ("before", "after", "movers"),
    [
        ({"a": 20, "b": 30, "c": 50}, {"a": 20, "b": 40, "c": 40}, {("c", "b"), ("a", "b"), ("c", "a")}),
        ({"a": 20, "b": 30, "c": 50}, {"a": 20, "b": 30}, {("c", "a"), ("c", "b")}),
        ({"a": 50, "b": 50}, {"a": 50, "b": 50, "c": 50}, {("a", "c"), ("b", "c")}),
    ],
)
def test_a_changed_share_moves_only_what_it_must(
    before: dict[str, int], after: dict[str, int], movers: set[tuple[str, str]]
) -> None:
    """No key moves to an entity whose share did not grow against its own."""
    one, other = placed(before), placed(after)
    moved = Counter((one[key], other[key]) for key in one if one[key] != other[key])
    assert set(moved) <= movers
    assert 0 < sum(moved.values()) < 4000 * 0.55


def hosts(world: World, times: int = 20, **fields: object) -> set[str]:
    """Where such calls begin."""
    found = set()
    for _ in range(times):
        world.ask(**fields)  # type: ignore[arg-type]
        found.add(world.calls[-1].call.origin.host)
    return found


def test_a_user_stays() -> None:
    """All calls of a user begin with one entity, unless the caller names another."""

    async def main() -> None:
        world = ruled(AiGateway(routing_config=Routing(sticky_by="user")))
        assert len(hosts(world)) == 1
        assert hosts(world, token=b"Bearer " + TOKEN.encode(), entity="spare") == {"spare.test"}

    run(main)


def test_a_conversation_stays() -> None:
    """By header, else by the request's metadata, else by its user; a call with none of them goes by the split."""

    async def main() -> None:
        world = ruled(AiGateway(routing_config=Routing(sticky_by="conversation")))
        assert len(hosts(world, times=40)) == 2
        for number in range(5):
            key = f"talk-{number}"
            ways = [
                hosts(world, headers={b"cloche-conversation-id": key.encode()}, user="other"),
                hosts(world, metadata={"conversation_id": key}, user="other"),
                hosts(world, user=key),
            ]
            assert all(len(way) == 1 for way in ways)
            assert ways[0] == ways[1] == ways[2]
        everywhere = set().union(*(hosts(world, times=1, user=f"u{number}") for number in range(40)))
        assert everywhere == {"first.test", "second.test"}
        assert len(hosts(world, times=40, metadata={"conversation_id": 7})) == 2

    run(main)
