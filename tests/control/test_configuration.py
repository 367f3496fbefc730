"""A list of declarations is applied whole or not at all, says what it did, and does nothing the second time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from cloche.control.provider_forms import PROVIDER_FORMS
from cloche.domain.endpoint import Declaration, Properties, Tag, Update
from cloche.domain.errors import InvalidFields
from cloche.store.database import open_store
from cloche.wire.differences import differences
from cloche.wire.serving_reading import read_endpoints

from .endpoint_plane import LOCAL, OTHER, PLAIN, Plane
from .installation import ADMIN, audit_log, configuration, openai_entity


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """The use-cases over a database."""
    store = open_store(tmp_path, [b"m" * 32])
    yield Plane(store)
    store.close()


def test_applying_twice_does_nothing(plane: Plane) -> None:
    """The same declarations again, plaintext and all, are no change: no version, no entry, no revision."""
    declared = (Declaration("a", PLAIN, Properties()), Declaration("l", LOCAL, Properties(description="own")))
    assert plane.apply(*declared) == {"a": "create", "l": "create"}
    before, entries = plane.publisher.current().revision, len(audit_log(plane.store))
    assert plane.apply(*declared) == {"a": "unchanged", "l": "unchanged"}
    assert (plane.publisher.current().revision, len(audit_log(plane.store))) == (before, entries)


def test_what_is_exported_can_be_applied(plane: Plane) -> None:
    """An export holds no plaintext, and applied to where it came from it changes nothing."""
    plane.apply(Declaration("a", PLAIN, Properties(tags=(Tag("x"),), route_optimized=True)), Declaration("l", LOCAL))
    exported = plane.configurations.export()
    assert "sk-canary" not in repr(exported)
    again = read_endpoints({"endpoints": exported}, PROVIDER_FORMS)
    assert plane.apply(*again, prune=True) == {"a": "unchanged", "l": "unchanged"}


def test_changes_are_told_and_made(plane: Plane) -> None:
    """A change of configuration is a version, one of properties is none, and what is not declared goes if that is
    wanted."""
    plane.apply(Declaration("a", PLAIN), Declaration("b", PLAIN), Declaration("c", PLAIN))
    declared = (Declaration("a", OTHER), Declaration("b", PLAIN, Properties(description="new")))
    expected = {"a": "update", "b": "update", "c": "delete"}
    assert plane.apply(*declared, prune=True, dry_run=True) == expected
    assert set(plane.publisher.current().endpoints) == {"a", "b", "c"}
    assert plane.apply(*declared, prune=True) == expected
    kept = {name: each.endpoint for name, each in plane.publisher.current().endpoints.items()}
    assert {name: endpoint.newest.number for name, endpoint in kept.items()} == {"a": 2, "b": 1}
    assert kept["b"].properties.description == "new"


def test_what_says_nothing_of_properties_leaves_them(plane: Plane) -> None:
    """A declaration without properties keeps those that were set since."""
    plane.apply(Declaration("a", PLAIN))
    plane.endpoints.change_properties(ADMIN, "a", "endpoint.tags", lambda old: replace(old, tags=(Tag("x"),)))
    assert plane.apply(Declaration("a", PLAIN)) == {"a": "unchanged"}
    assert plane.apply(Declaration("a", PLAIN, Properties())) == {"a": "update"}


def test_what_an_endpoint_begins_with_is_not_put_back(plane: Plane) -> None:
    """Properties that a declaration wants at first are those of a new endpoint, and are changed for good."""
    wanted = Declaration("a", PLAIN, at_first=Properties(description="first"))
    assert plane.apply(wanted) == {"a": "create"}
    assert plane.publisher.current().endpoints["a"].endpoint.properties.description == "first"
    plane.endpoints.change_properties(ADMIN, "a", "endpoint.tags", lambda old: replace(old, description="own"))
    assert plane.apply(wanted) == {"a": "unchanged"}
    assert plane.publisher.current().endpoints["a"].endpoint.properties.description == "own"


def test_all_or_nothing(plane: Plane) -> None:
    """One fault anywhere and nothing is done; every fault is told, with the index of its endpoint."""
    plane.apply(Declaration("a", PLAIN))
    bad = configuration(openai_entity(openai_api_key="{{secrets/no/way}}"))
    with pytest.raises(InvalidFields) as caught:
        plane.apply(Declaration("new", PLAIN), Declaration("a", LOCAL), Declaration("b", bad), prune=True)
    assert [field for field, _ in caught.value.details] == [
        "endpoints[1].config.served_entities",
        "endpoints[2].config.served_entities[0].external_model.openai_config.openai_api_key",
    ]
    with pytest.raises(InvalidFields, match=r"endpoints\[1\].name: 'b' is the name of another"):
        plane.apply(Declaration("b", PLAIN), Declaration("b", PLAIN))
    assert set(plane.publisher.current().endpoints) == {"a"}


def test_an_update_under_way_gives_way(plane: Plane) -> None:
    """What is declared takes the place of a version that is still being brought up; the same one is left to it."""
    plane.apply(Declaration("l", LOCAL))
    assert plane.apply(Declaration("l", LOCAL)) == {"l": "unchanged"}
    other = replace(LOCAL, auto_capture_config={"enabled": True})
    assert plane.apply(Declaration("l", other)) == {"l": "update"}
    endpoint = plane.publisher.current().endpoints["l"].endpoint
    assert endpoint.pending is not None
    assert (endpoint.update, endpoint.pending.number) == (Update.IN_PROGRESS, 2)
    plane.endpoints.fail(endpoint.id, 2, "no memory")
    assert plane.apply(Declaration("l", other)) == {"l": "update"}


def test_differences_are_told_by_name() -> None:
    """Parts of a list are known by name, so that what moved differs in its order only, and by place without one."""
    first, second = {"name": "a", "x": 1}, {"name": "b"}
    assert differences([first, second], [second, first | {"x": 2}])[0].path == "[a].x"
    assert [each.path for each in differences({"l": [1, 2]}, {"l": [1, 3, 4]})] == ["l[1]", "l[2]"]
    assert [(each.path, each.before, each.after) for each in differences({"a": 1}, {"b": None})] == [("a", 1, None)]
    assert differences(None, first)[0].after == first
    assert differences({"a": [1]}, {"a": {}})[0].path == "a"
    (moved,) = differences({"l": [first, second]}, {"l": [second, first]})
    assert (moved.path, moved.before, moved.after) == ("l", ["a", "b"], ["b", "a"])
