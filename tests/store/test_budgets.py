"""Budgets on both databases: kept, spent on by several hosts, and told of once."""

from __future__ import annotations

from cloche.domain.budget import Alert, Budget
from cloche.store.database import Store

ONE = Budget("b1", "all", "workspace", "", "month", 2**53 + 1, "refuse", (80, 100), 5, "ann")


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
        work.budgets.note_spent("a", {"x": (100, 1), "y": (50, 7)})
        work.budgets.note_spent("b", {"x": (100, 2**53)})
        work.budgets.note_spent("c", {"x": (100, 1)})
    with store.write(publish=False) as work:
        work.budgets.note_spent("a", {"x": (100, 3)})
        assert work.budgets.spent("a", 50) == {"x": (100, 3, 2**53 + 1)}
        assert work.budgets.spent("d", 0) == {"x": (100, 0, 2**53 + 4), "y": (50, 0, 7)}
        work.budgets.forget_spent(100)
        assert work.budgets.spent("a", 0) == {"x": (100, 3, 2**53 + 1)}


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
