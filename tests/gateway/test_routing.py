"""Which served entity answers: by name, or by the endpoint's split."""

from __future__ import annotations

import pytest

from cloche.gateway import routing
from cloche.gateway.call import new_id

from .scripted import World


@pytest.mark.parametrize(
    ("dice", "entity"),
    [(0.0, "first"), (0.2999, "first"), (0.3, "second"), (0.5, "second"), (0.9999999999999999, "second")],
)
def test_the_dice_decide_by_the_shares(dice: float, entity: str) -> None:
    """Each entity has its share of the throws, and one without a share has none."""
    compiled = routing.find(World().snapshot.current(), "chat")
    assert routing.choose(compiled, None, dice).entity == entity


def test_the_split_is_kept_over_many_calls() -> None:
    """Of many calls, each entity gets about its share."""
    world = World()
    for _ in range(1000):
        world.ask()
    firsts = sum(outbound.call.origin.host == "first.test" for outbound in world.calls)
    assert 200 < firsts < 400
    assert all(outbound.call.origin.host != "spare.test" for outbound in world.calls)


@pytest.mark.parametrize(
    ("endpoint", "entity", "model", "host"),
    [
        ("chat", "spare", None, "spare.test"),
        ("chat", "first", "ignored", "first.test"),
        (None, None, "chat/second", "second.test"),
        (None, None, "chat/spare", "spare.test"),
        (None, None, "local", "engine"),
        ("local", None, "chat", "engine"),
    ],
)
def test_addresses(endpoint: str | None, entity: str | None, model: str | None, host: str) -> None:
    """An endpoint or one of its entities is named by the path, or by the body's model where the path names none."""
    world = World()
    call, client = world.ask(endpoint, entity, model=model)
    assert client.wholes == 0
    assert world.last.call.origin.host == host
    assert call.endpoint == (endpoint or str(model).partition("/")[0])


@pytest.mark.parametrize(
    ("endpoint", "entity", "model", "status", "message"),
    [
        ("none", None, None, 404, "The serving endpoint 'none' does not exist."),
        (None, None, "none", 404, "The serving endpoint 'none' does not exist."),
        (None, None, "none/first", 404, "The serving endpoint 'none' does not exist."),
        ("chat", "x", None, 404, "The endpoint 'chat' has no served entity 'x'; it has: first, second, spare."),
        (None, None, "chat/", 404, "The endpoint 'chat' has no served entity ''; it has: first, second, spare."),
        (None, None, "chat/first/x", 404, "The endpoint 'chat' has no served entity 'first/x'; it has:"),
        (None, None, None, 400, "model: this field is required here; it names the serving endpoint"),
        (None, None, "", 400, "model: this field is required here; it names the serving endpoint"),
    ],
)
def test_addresses_that_lead_nowhere(
    endpoint: str | None, entity: str | None, model: str | None, status: int, message: str
) -> None:
    """What is missing is named, and nothing is sent."""
    world = World()
    _, client = world.ask(endpoint, entity, model=model)
    assert client.status == status
    assert client.json["message"].startswith(message)
    assert client.json["error_code"] == ("ENDPOINT_NOT_FOUND" if status == 404 else "BAD_REQUEST")
    assert world.calls == []
    assert world.idle


def test_ids_are_uuids_and_differ() -> None:
    """A request id has the form of a UUID, and no two are the same."""
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all([len(part) for part in each.split("-")] == [8, 4, 4, 4, 12] for each in ids)
