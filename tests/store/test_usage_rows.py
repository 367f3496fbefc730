"""The usage tables on both databases: rows once, sums right, old ones forgotten, and what waits in files."""

from __future__ import annotations

import os
import random
import statistics
from pathlib import Path

import msgspec
import pytest

from cloche.domain.access import Group, Identity, Kind
from cloche.store.database import Store
from cloche.store.usage_spool import UsageSpool
from cloche.store.usage_sums import Grouping
from usage_rows import DAY, NOON, add, call, sums


def test_a_row_that_is_written_twice_counts_once(store: Store) -> None:
    """A batch that comes again, with a new row in it, adds that row alone."""
    add(store, call(1), call(2))
    add(store, call(2, status_code=500), call(3))
    [told] = sums(store, Grouping("endpoint"))
    assert (told.calls, told.errors, told.input_tokens) == (3, 0, 30)


@pytest.mark.parametrize("count", [1, 2, 19, 100])
def test_percentiles_are_durations_that_were_measured(store: Store, count: int) -> None:
    """The median is the middle call's, and the others are those that so many do not exceed."""
    add(store, *(call(number) for number in range(1, count + 1)))
    [told] = sums(store, Grouping("endpoint"))
    durations = [float(number) for number in range(1, count + 1)]
    assert told.percentiles[0] == statistics.median_low(durations)
    assert told.percentiles[1:] == tuple(durations[-(-count * share // 100) - 1] for share in (95, 99))


def test_percentiles_are_those_of_their_group(store: Store) -> None:
    """On every page of the groups, also where some have no name, and durations are alike."""
    dice = random.Random(3)
    calls = [
        call(number, served_entity_name=dice.choice([None, "a", "b"]), requester=dice.choice("xyz"))
        for number in range(200)
    ]
    calls = [msgspec.structs.replace(each, duration_ms=float(dice.randrange(40))) for each in calls]
    add(store, *calls)
    by = (Grouping("user"), Grouping("entity"))
    paged = [each for offset in range(0, 9, 4) for each in sums(store, *by, offset=offset, limit=4)]
    assert len(paged) == 9
    for told in paged:
        durations = sorted(
            each.duration_ms for each in calls if (each.requester, each.served_entity_name) == told.group
        )
        assert told.calls == len(durations)
        assert told.percentiles == tuple(durations[-(-len(durations) * share // 100) - 1] for share in (50, 95, 99))


def test_calls_are_added_up_by_anything(store: Store) -> None:
    """By endpoint, day, user, tag and usage context, several at once, in order."""
    add(
        store,
        call(1, usage_context={"project": "x y"}),
        call(2, request_time=NOON + DAY, requester="bob", status_code=429, outcome="error"),
        call(3, endpoint_id="two", endpoint_name="second", status_code=499, outcome="cancelled", estimated=True),
    )
    assert [each.group for each in sums(store, Grouping("day"))] == [("2026-01-01",), ("2026-01-02",)]
    both = sums(store, Grouping("endpoint"), Grouping("user"))
    assert [(each.group, each.errors, each.cancelled) for each in both] == [
        (("first", "ann"), 0, 0),
        (("first", "bob"), 1, 0),
        (("second", "ann"), 0, 1),
    ]
    contexts = {each.group[0]: each.calls for each in sums(store, Grouping("usage_context", "project"))}
    assert contexts == {"x y": 1, None: 2}
    tags = {each.group[0]: each.calls for each in sums(store, Grouping("tag", "team", {"two": "red"}))}
    assert tags == {"red": 1, None: 2}
    assert sums(store, Grouping("tag", "nobody has it"))[0].calls == 3
    assert [each.estimated_calls for each in sums(store, Grouping("endpoint"))] == [0, 1]


def test_costs_are_added_up_exactly(store: Store) -> None:
    """Billionths are neither lost nor rounded, what was asked besides is in the sum, and calls whose cost is not known
    are told apart from those that cost nothing."""
    add(
        store,
        call(1, cost_nano_usd=2**53 + 1),
        call(2, cost_nano_usd=1, hedge_entity_name="b", hedge_input_token_count=10, hedge_cost_nano_usd=5),
        call(3, cost_nano_usd=0),
        call(4, cost_nano_usd=None),
        call(5, endpoint_name="second", cost_nano_usd=None),
    )
    told = {each.group[0]: (each.cost_nano_usd, each.unpriced_calls) for each in sums(store, Grouping("endpoint"))}
    assert told == {"first": (2**53 + 7, 1), "second": (None, 1)}


def test_calls_are_added_up_by_hour_and_minute(store: Store) -> None:
    """The hour and the minute in which a call came, in UTC, alike on both databases."""
    add(store, call(1), call(2, request_time=NOON + 59_999), call(3, request_time=NOON + 3_661_001))
    assert [(each.group, each.calls) for each in sums(store, Grouping("hour"))] == [
        (("2026-01-01T12:00",), 2),
        (("2026-01-01T13:00",), 1),
    ]
    assert [each.group[0] for each in sums(store, Grouping("minute"))] == ["2026-01-01T12:00", "2026-01-01T13:01"]


def test_a_call_counts_for_each_group_of_its_requester(store: Store) -> None:
    """Directly or through another group, once each; the calls of who is in none are there, too."""
    with store.write() as work:
        work.identities.put(Identity("u1", Kind.USER, "ann", "Ann"))
        work.groups.put(Group("g1", "red", frozenset({"u1"})))
        work.groups.put(Group("g2", "all colours", frozenset({"g1", "u1"})))
    add(store, call(1), call(2), call(3, requester="bob"))
    told = {each.group[0]: (each.calls, each.percentiles[0]) for each in sums(store, Grouping("group"))}
    assert told == {"red": (2, 1.0), "all colours": (2, 1.0), None: (1, 3.0)}


def test_only_what_is_wanted_is_added_up(store: Store) -> None:
    """A time is from its beginning to before its end; others' calls are left out where the endpoint is not managed."""
    add(store, call(1), call(2, request_time=NOON + DAY), call(3, requester="bob", endpoint_id="two"))
    assert sums(store, Grouping("user"), since_ms=NOON + 1)[0].calls == 1
    assert sum(each.calls for each in sums(store, Grouping("user"), until_ms=NOON + DAY)) == 2
    [own] = sums(store, Grouping("user"), managed=(), requester="bob")
    assert (own.group, own.calls) == (("bob",), 1)
    seen = sums(store, Grouping("user"), managed=("one",), requester="bob")
    assert sum(each.calls for each in seen) == 3


def test_old_rows_are_forgotten(store: Store) -> None:
    """What is before the time goes, and what is at it or after stays."""
    add(store, call(1), call(2, request_time=NOON + 1))
    with store.write(publish=False) as work:
        assert work.usage.prune(NOON + 1) == 1
    [told] = sums(store, Grouping("endpoint"))
    assert told.percentiles[0] == 2.0


def test_what_waits_in_files_comes_back(tmp_path: Path) -> None:
    """Batches come back whole and in order, also to another process; one that is half written or spoilt does not, and
    stands in nobody's way."""
    spool = UsageSpool(tmp_path / "spool")
    assert list(spool.batches()) == []
    assert spool.keep([call(1), call(2)], 1)
    assert spool.keep([call(3)], 2)
    folder = tmp_path / "spool"
    (folder / "0-9-9.part").write_bytes(b"[{")
    (folder / "0-9-9.rows").write_bytes(b"[{")
    waiting = list(UsageSpool(folder).batches())
    assert [[each.databricks_request_id for each in rows] for _, rows in waiting] == [["id-1", "id-2"], ["id-3"]]
    for path, _ in waiting:
        assert path.stat().st_mode & 0o777 == 0o600
        spool.done(path)
    assert list(spool.batches()) == []
    assert sorted(os.listdir(folder)) == ["0-9-9.part", "0-9-9.unreadable"]
