"""Endpoints as values: each fault with its path, and names that are fit for a URL."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.domain.endpoint import Endpoint, ExternalModel, Route, ServedEntity, default_entity_name, problems


def entity(name: str, *, local: bool = False) -> ServedEntity:
    """A served entity of either kind."""
    if local:
        return ServedEntity(name, entity_name="m")
    return ServedEntity(name, ExternalModel("m", "openai", "llm/v1/chat"))


ENTITIES = "config.served_entities"
ROUTES = "config.traffic_config.routes"
GOOD = Endpoint("chat", (entity("a"), entity("b")), (Route("a", 30), Route("b", 70)))

FAULTS: list[tuple[Endpoint, list[tuple[str, str]]]] = [
    (GOOD, []),
    (Endpoint("a" * 63, (entity("b" * 63),), (Route("b" * 63, 100),)), []),
    (Endpoint("", GOOD.entities, GOOD.routes), [("name", "must be 1 to 63")]),
    (Endpoint("a" * 64, GOOD.entities, GOOD.routes), [("name", "must be 1 to 63")]),
    (Endpoint("a.b", GOOD.entities, GOOD.routes), [("name", "must be 1 to 63")]),
    (Endpoint("a\n", GOOD.entities, GOOD.routes), [("name", "must be 1 to 63")]),
    (Endpoint("c", (), ()), [(ENTITIES, "must name at least one")]),
    (Endpoint("c", (entity("a b"),), (Route("a b", 100),)), [(f"{ENTITIES}[0].name", "must be 1 to 63")]),
    (
        Endpoint("c", (entity("a"), entity("a")), (Route("a", 100),)),
        [(f"{ENTITIES}[1].name", "'a' is the name of another")],
    ),
    (
        Endpoint("c", (entity("a"), entity("b", local=True)), GOOD.routes),
        [(ENTITIES, "external models and local models")],
    ),
    (Endpoint("c", GOOD.entities, ()), [(ROUTES, "traffic percentages must add up to 100, not 0")]),
    (
        Endpoint("c", GOOD.entities, (Route("a", 50), Route("b", 51))),
        [(ROUTES, "traffic percentages must add up to 100, not 101")],
    ),
    (
        Endpoint("c", GOOD.entities, (Route("a", 50), Route("x", 50))),
        [(f"{ROUTES}[1].served_entity_name", "no served entity is named 'x'")],
    ),
    (
        Endpoint("c", GOOD.entities, (Route("a", 50), Route("a", 50))),
        [(f"{ROUTES}[1].served_entity_name", "'a' has a route already")],
    ),
]


@pytest.mark.parametrize(("endpoint", "expected"), FAULTS, ids=lambda value: str(value)[-40:])
def test_faults_bear_their_paths(endpoint: Endpoint, expected: list[tuple[str, str]]) -> None:
    """Each fault is reported once, with the path of the create request."""
    found = list(problems(endpoint))
    assert [path for path, _ in found] == [path for path, _ in expected]
    assert all(what.startswith(words) for (_, what), (_, words) in zip(found, expected, strict=True))


def test_an_id_belongs_to_a_name() -> None:
    """The same name has the same id, in 32 hexadecimal digits."""
    assert GOOD.id == Endpoint("chat", (), ()).id != Endpoint("chat2", (), ()).id
    assert re.fullmatch("[0-9a-f]{32}", GOOD.id)


def test_entities_are_found_by_name() -> None:
    """An entity is found by its name, and a name that none has finds none."""
    assert GOOD.entity("b") is GOOD.entities[1]
    assert GOOD.entity("c") is None


@given(name=st.text(min_size=1, max_size=80))
def test_a_default_name_is_a_good_one(name: str) -> None:
    """Whatever a model is called, the name made of it can be an entity's."""
    made = default_entity_name(name)
    assert not list(problems(Endpoint("c", (entity(made),), (Route(made, 100),))))
