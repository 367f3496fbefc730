"""Calls one by one on both databases: found by anything, in pages that nothing shifts."""

from __future__ import annotations

import random

import msgspec
import pytest

from cloche.store.calls import CallFilter
from cloche.store.database import Store
from usage_rows import NOON, add, call


def found(store: Store, **wanted: object) -> list[str]:
    """The ids that a filter finds, in their order."""
    with store.read() as work:
        return [each.databricks_request_id for each in work.calls.find(msgspec.structs.replace(CallFilter(), **wanted))]


def test_a_call_comes_back_as_it_was_written(store: Store) -> None:
    """Every column of a row is told, to the millisecond."""
    told = call(
        1,
        request_time=NOON + 123,
        client_request_id="mine",
        usage_context={"a": "b"},
        attempts="a=X, b",
        cost_nano_usd=7,
        translation="dropped=seed",
        attempt_ms="0.1+2.5, 2.6",
    )
    add(store, told, call(2))
    with store.read() as work:
        assert work.calls.get("id-1") == told
        assert work.calls.get("id-9") is None
        assert work.calls.some(["id-1", "id-9"]) == [told]


def test_the_newest_come_first_in_pages_that_nothing_shifts(store: Store) -> None:
    """Page after page has every call once, in one order, also those of one millisecond, while others come."""
    dice = random.Random(5)
    add(store, *(call(number, request_time=NOON + dice.randrange(20)) for number in range(100)))
    with store.read() as work:
        every = work.calls.find(CallFilter(limit=1000))
    assert [each.request_time for each in every] == sorted((each.request_time for each in every), reverse=True)
    pages: list[str] = []
    before = None
    for number in range(15):
        with store.read() as work:
            page = work.calls.find(CallFilter(limit=7, before=before))
        add(store, call(1000 + number, request_time=NOON + 100 + number))
        pages += [each.databricks_request_id for each in page]
        before = (page[-1].request_time, page[-1].databricks_request_id)
    assert pages == [each.databricks_request_id for each in every]
    with store.read() as work:
        assert work.calls.newest_ids(2) == ["id-1014", "id-1013"]


@pytest.mark.parametrize(
    ("status", "ids"),
    [
        ("ok", ["id-6", "id-1"]),
        ("error", ["id-4", "id-3", "id-2"]),
        ("cancelled", ["id-5"]),
        ("4xx", ["id-5", "id-2"]),
        ("5xx", ["id-3"]),
        ("429", ["id-2"]),
    ],
)
def test_calls_are_found_by_how_they_ended(store: Store, status: str, ids: list[str]) -> None:
    """An answer that broke off is an error, and what the client gave up is none."""
    add(
        store,
        call(1),
        call(2, status_code=429, outcome="error"),
        call(3, status_code=503, outcome="error"),
        call(4, status_code=200, outcome="error"),
        call(5, status_code=499, outcome="cancelled"),
        call(6, outcome="cached"),
    )
    assert found(store, status=status) == ids


def test_calls_are_found_by_who_where_when_and_name(store: Store) -> None:
    """Each filter narrows what the others leave, and whoever is no administrator finds what they may see."""
    add(
        store,
        call(1, requester="ann", endpoint_name="first", endpoint_id="one", client_request_id="mine"),
        call(2, requester="bob", endpoint_name="first", endpoint_id="one", request_time=NOON + 1),
        call(3, requester="bob", endpoint_name="second", endpoint_id="two", request_time=NOON + 2),
    )
    assert found(store, user="bob") == ["id-3", "id-2"]
    assert found(store, user="bob", endpoint="first") == ["id-2"]
    assert found(store, since_ms=NOON + 1, until_ms=NOON + 2) == ["id-2"]
    assert found(store, text="mine") == found(store, text="id-1") == ["id-1"]
    assert found(store, managed=(), requester="ann") == ["id-1"]
    assert found(store, managed=("two",), requester="ann") == ["id-3", "id-1"]
    assert found(store, managed=(), requester="cy") == []
