"""The usage tables on both databases: rows once, sums right, old ones forgotten, and what waits in files."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

import pytest

from cloche.store.database import Store
from cloche.store.usage import Grouping
from cloche.store.usage_spool import UsageSpool
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
