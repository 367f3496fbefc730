"""Endpoints as values: each fault with its path, names that are fit for a URL, and how one version follows another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cloche.domain import rollout
from cloche.domain.endpoint import (
    Configuration,
    Endpoint,
    ExternalModel,
    Properties,
    Route,
    ServedEntity,
    Update,
    Version,
    change_problems,
    default_entity_name,
    even_split,
    problems,
)
from cloche.domain.errors import Conflict


def entity(name: str, *, local: bool = False, task: str = "llm/v1/chat") -> ServedEntity:
    """A served entity of either kind."""
    if local:
        return ServedEntity(name, entity_name="m")
    return ServedEntity(name, ExternalModel("m", "openai", task))


ENTITIES = "served_entities"
ROUTES = "traffic_config.routes"
GOOD = Configuration((entity("a"), entity("b")), (Route("a", 30), Route("b", 70)))
MANY = tuple(entity(f"e{number}") for number in range(16))

FAULTS: list[tuple[Configuration, list[tuple[str, str]]]] = [
    (GOOD, []),
    (Configuration((entity("b" * 63),), (Route("b" * 63, 100),)), []),
    (Configuration(MANY[:15], even_split(MANY[:15])), []),
    (Configuration(MANY, even_split(MANY)), [(ENTITIES, "must name at most 15 served entities, not 16")]),
    (Configuration((), ()), [(ENTITIES, "must name at least one")]),
    (Configuration((entity("a b"),), (Route("a b", 100),)), [(f"{ENTITIES}[0].name", "must be 1 to 63")]),
    (Configuration((entity("a\n"),), (Route("a\n", 100),)), [(f"{ENTITIES}[0].name", "must be 1 to 63")]),
    (
        Configuration((entity("a"), entity("a")), (Route("a", 100),)),
        [(f"{ENTITIES}[1].name", "'a' is the name of another")],
    ),
    (
        Configuration((entity("a"), entity("b", local=True)), GOOD.routes),
        [(ENTITIES, "external models and local models")],
    ),
    (
        Configuration((entity("a"), entity("b", task="llm/v1/embeddings")), GOOD.routes),
        [(ENTITIES, "all external models of an endpoint must have the same task")],
    ),
    (Configuration(GOOD.entities, ()), [(ROUTES, "traffic percentages must add up to 100, not 0")]),
    (
        Configuration(GOOD.entities, (Route("a", 50), Route("b", 51))),
        [(ROUTES, "traffic percentages must add up to 100, not 101")],
    ),
    (
        Configuration(GOOD.entities, (Route("a", 50), Route("x", 50))),
        [(f"{ROUTES}[1].served_entity_name", "no served entity is named 'x'")],
    ),
    (
        Configuration(GOOD.entities, (Route("a", 50), Route("a", 50))),
        [(f"{ROUTES}[1].served_entity_name", "'a' has a route already")],
    ),
]


@pytest.mark.parametrize(("configuration", "expected"), FAULTS, ids=lambda value: str(value)[-40:])
def test_faults_bear_their_paths(configuration: Configuration, expected: list[tuple[str, str]]) -> None:
    """Each fault is reported once, with its path below the configuration."""
    found = list(problems(configuration))
    assert [path for path, _ in found] == [path for path, _ in expected]
    assert all(what.startswith(words) for (_, what), (_, words) in zip(found, expected, strict=True))


@given(name=st.text(min_size=1, max_size=80))
def test_a_default_name_is_a_good_one(name: str) -> None:
    """Whatever a model is called, the name made of it can be an entity's."""
    entities = (entity(default_entity_name(name)),)
    assert not list(problems(Configuration(entities, even_split(entities))))


@pytest.mark.parametrize("count", range(16))
def test_an_even_split_adds_up(count: int) -> None:
    """Traffic that nobody divided is divided evenly, and adds up to 100 where there is anything to divide."""
    shares = [route.traffic_percentage for route in even_split(MANY[:count])]
    assert sum(shares) == (100 if count else 0)
    assert not shares or max(shares) - min(shares) <= 1


def test_an_endpoint_keeps_its_kind() -> None:
    """An endpoint of external models cannot become one of local models, nor the other way round."""
    local = Configuration((entity("a", local=True),), (Route("a", 100),))
    assert not list(change_problems(GOOD, GOOD))
    assert [path for path, _ in change_problems(GOOD, local)] == [ENTITIES]
    assert "of local models cannot become one of external models" in next(change_problems(local, GOOD))[1]


FIRST, SECOND = Version(1, GOOD, 5, "ann"), Version(2, GOOD, 6, "ann")
SERVING = Endpoint("i" * 32, "chat", "ann", 5, 5, Properties(), FIRST)


def test_a_version_serves_until_the_next_one_can() -> None:
    """A new version is pending, then active; the one before is what is shown until then."""
    begun = rollout.begin(SERVING, SECOND, 7)
    assert (begun.active, begun.pending, begun.newest, begun.update) == (FIRST, SECOND, FIRST, Update.IN_PROGRESS)
    done = rollout.activate(begun, 8)
    assert (done.active, done.pending, done.update, done.updated_at) == (SECOND, None, Update.NOT_UPDATING, 8)


def test_a_failed_version_changes_nothing_that_serves() -> None:
    """A version that failed is kept with the reason, and the next one may begin."""
    failed = rollout.fail(rollout.begin(SERVING, SECOND, 7), "no memory", 8)
    assert (failed.active, failed.pending, failed.update) == (FIRST, SECOND, Update.UPDATE_FAILED)
    assert failed.update_message == "no memory"
    again = rollout.begin(failed, replace(SECOND, number=3), 9)
    assert (again.update, again.update_message) == (Update.IN_PROGRESS, "")


def test_one_update_at_a_time() -> None:
    """While a version is under way another is refused, unless the first is given up."""
    begun = rollout.begin(SERVING, SECOND, 7)
    with pytest.raises(Conflict, match="wait until that is done"):
        rollout.begin(begun, SECOND, 8)
    given_up = rollout.cancel(begun, 8)
    assert given_up.update is Update.UPDATE_CANCELED
    assert rollout.begin(given_up, SECOND, 9).update is Update.IN_PROGRESS
    assert rollout.cancel(SERVING, 9) is SERVING
