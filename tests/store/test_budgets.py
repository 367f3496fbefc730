"""Budgets on both databases: kept, spent on by several hosts, and told of once."""

from __future__ import annotations

from pathlib import Path

from cloche.bootstrap.budget_keeper import BudgetKeeper
from cloche.domain.budget import Alert, Budget
from cloche.gateway.budget_counters import FILE, BudgetCounters, Charge, Entry
from cloche.gateway.counters import key_of
from cloche.store.budgets import Spent
from cloche.store.database import Store

ONE = Budget("b1", "all", "workspace", "", "month", 2**53 + 1, "refuse", (80, 100), 5, "ann")
KEY = key_of("one")
NOTHING = Entry(KEY, 0, 0, 0, 0, 0)


def test_budgets_come_back_as_they_were(store: Store) -> None:
    """A budget is in the state, exactly, until it is removed; one that is put again is another."""
    with store.write() as work:
        work.budgets.put(ONE)
    assert store.state().budgets == (ONE,)
    other = Budget("b1", "one", "user", "7", "day", 1, "alert", (), 5, "ann")
    with store.write() as work:
        work.budgets.put(other)
    assert store.state().budgets == (other,)
    with store.write() as work:
        work.budgets.remove("b1")
    assert store.state().budgets == ()


def test_each_host_has_its_own_sum(store: Store) -> None:
    """What a host has spent takes the place of what it had, and is told apart from the others'; old periods go."""
    with store.write(publish=False) as work:
        work.budgets.note_spent([Spent("a", "x", 100, 1, 5, 60), Spent("a", "y", 50, 7)])
        work.budgets.note_spent([Spent("b", "x", 100, 2**53)])
    with store.write(publish=False) as work:
        work.budgets.note_spent([Spent("a", "x", 100, 3, 6, 70)])
        both = {Spent("a", "x", 100, 3, 6, 70), Spent("b", "x", 100, 2**53)}
        assert set(work.budgets.spent(50)) == both
        assert set(work.budgets.spent(0)) == both | {Spent("a", "y", 50, 7)}
        work.budgets.forget_spent(100)
        assert set(work.budgets.spent(0)) == both


def test_an_alert_is_told_once(store: Store) -> None:
    """Whoever notes it first tells it; another threshold, period, subject or limit is another alert."""
    alert = Alert("b1", "", 100, 80, 1, 8, 10)
    with store.write(publish=False) as work:
        assert work.budgets.tell(alert)
        assert not work.budgets.tell(Alert("b1", "", 100, 80, 2, 9, 10))
        assert work.budgets.tell(Alert("b1", "", 200, 80, 3, 8, 10))
        assert work.budgets.tell(Alert("b1", "7", 100, 80, 4, 8, 10))
        assert work.budgets.tell(Alert("b1", "", 100, 80, 5, 16, 20))
        assert work.budgets.alerts(["b1"], 100)[0] == alert
        assert len(work.budgets.alerts(["b1"], 150)) == 1
        assert work.budgets.alerts(["b2"], 0) == []


def keeper(home: Path, store: Store) -> tuple[BudgetKeeper, BudgetCounters]:
    """A host with this home, that has just started."""
    home.mkdir(exist_ok=True)
    made = BudgetKeeper(home, store, lambda: True)
    made.turn()
    return made, BudgetCounters.of_home(home)


def test_hosts_know_of_each_others_spending(store: Store, tmp_path: Path) -> None:
    """What one host has spent or holds leaves less room on the other, after one look of each; a home that is lost is
    made good by the database, and nothing is counted twice."""
    (first, here), (second, there) = (keeper(tmp_path / name, store) for name in ("one", "two"))
    ends = int(here.now()) + 1000
    assert here.take([Charge(KEY, ends, 10, 7)]).refused is None
    first.turn()
    second.turn()
    assert there.take([Charge(KEY, ends, 10, 4)]).refused == 0
    assert there.take([Charge(KEY, ends, 10, 3)]).refused is None
    here.settle([Charge(KEY, ends, 10, 7)], 2)
    for _ in range(2):
        second.turn()
        first.turn()
    assert [(each.find(KEY) or NOTHING)[2:] for each in (here, there)] == [(2, 0, 0, 3), (0, 3, 2, 0)]
    there.settle([Charge(KEY, ends, 10, 3)], 3)
    second.turn()
    (tmp_path / "one" / FILE).unlink()
    _, again = keeper(tmp_path / "one", store)
    assert (again.find(KEY) or NOTHING)[2:] == (2, 0, 3, 0)
    _, new = keeper(tmp_path / "three", store)
    assert (new.find(KEY) or NOTHING)[2:] == (0, 0, 5, 0)


def test_a_host_that_is_gone_holds_nothing_for_long(store: Store, tmp_path: Path) -> None:
    """While a host is there what its calls hold is taken off on the others, for as long as they last; half a minute
    after it was last heard of they have that room again, and what it has spent stays spent."""
    (first, here), (second, there) = (keeper(tmp_path / name, store) for name in ("one", "two"))
    ends, now = int(here.now()) + 1000, here.now()
    here.take([Charge(KEY, ends, 10, 2)])
    here.settle([Charge(KEY, ends, 10, 2)], 1)
    here.take([Charge(KEY, ends, 10, 7)])
    clock = [now]
    first._counters.now = second._counters.now = lambda: clock[0]
    for seconds, held in ((0, 7), (20, 7), (40, 7), (75, 0)):
        clock[0] = now + seconds
        if held:
            first.turn()
        second.turn()
        assert (there.find(KEY) or NOTHING)[2:] == (0, 0, 1, held)
