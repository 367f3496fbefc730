"""Money is held before a call and settled after it, however it ends, and no more is let in than there is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from msgspec import structs

from cloche.domain.access import Principal
from cloche.domain.ai_gateway import AiGateway, Hedging
from cloche.domain.budget import Budget
from cloche.domain.money import Price, Rates
from cloche.gateway.admission import Admission
from cloche.gateway.budget_counters import KEPT_SECONDS, BudgetCounters, Charge, words_of
from cloche.gateway.budgets import Budgets
from cloche.gateway.counters import UNLIMITED, key_of
from cloche.gateway.pipeline import Gateway
from cloche.gateway.recording import Recorder
from cloche.gateway.tracking import Ledger
from cloche.guardrails.guard import guards_of

from .scripted import ANN, TOKEN_KEY, Client, World
from .test_attempts import EVENT, refuse, run, turn

DOLLAR = 10**9
PRICE = Price(Rates(DOLLAR * 10**6, DOLLAR * 10**6))
"""A dollar for each token."""

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z, a Thursday
ONE = key_of("one")
TWO = key_of("two")
ANSWER = json.dumps(
    {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "y"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
    }
).encode()


def budget(limit: int, **fields: Any) -> Budget:
    """A workspace's for a day, in dollars."""
    usual = Budget("b1", "all", "workspace", "", "day", limit * DOLLAR, "refuse", (80, 100), 0, "ann")
    return structs.replace(usual, **fields)


class Till(World):
    """A world whose endpoint `chat` costs budgets; a call's prompt is one token."""

    def __init__(
        self, home: Path, *budgets: Budget, price: Price | None = PRICE, rules: AiGateway | None = None
    ) -> None:
        super().__init__()
        self.time = NOON
        self.money = BudgetCounters.of_home(home)
        self.money.now = lambda: self.time
        self.budgets = Budgets(self.money)
        lasting = self.lasting._replace(budgets=self.budgets)
        self.ledger = Ledger(self.snapshot, "1")
        recorder = Recorder(self.records.append, self.ledger)
        self.gateway = Gateway(self.snapshot, Admission(TOKEN_KEY), self._send, recorder, lasting)
        snapshot = self.snapshot.current()
        chat = snapshot.endpoints["chat"]
        targets = {name: structs.replace(each, price=price) for name, each in chat.targets.items()}
        routed = tuple(targets[each.entity] for each in chat.routed)
        rules = rules or AiGateway()
        chat = structs.replace(
            chat, targets=targets, routed=routed, budgets=budgets, rules=rules, guards=guards_of(rules.guardrails)
        )
        self.snapshot.swap(structs.replace(snapshot, endpoints={"chat": chat}))

    def spent(self, one: Budget, subject: str = "") -> tuple[float, float]:
        """Dollars that are spent, and held."""
        spent, held, _ = self.budgets.spent(one, subject)
        return spent / DOLLAR, held / DOLLAR


def message(client: Client) -> str:
    """What a refused caller is told."""
    assert client.status == 403, client.body
    told = json.loads(client.body)
    assert told["error_code"] == "PERMISSION_DENIED"
    return str(told["message"])


def test_money_is_held_and_settled(tmp_path: Path) -> None:
    """While a call is under way the most that it may cost is held; when it is answered, what it cost is spent; a call
    that might cost more than is left is refused, with the budget, its limit, and when it begins anew."""

    async def main() -> None:
        one = budget(20)
        till = Till(tmp_path, one)
        till.ask(max_tokens=9)
        assert till.spent(one) == (0, 10)
        _, client = till.ask(max_tokens=10)
        told = message(client)
        assert "'all'" in told
        assert "USD 20.00 a day" in told
        assert "2026-01-02T00:00:00Z" in told
        till.last.answer(ANSWER)
        assert till.spent(one) == (5, 0)
        assert till.ask(max_tokens=14)[1].status == 0, "there is room now"

    run(main)


def test_what_ends_otherwise_is_settled_too(tmp_path: Path) -> None:
    """A failure costs nothing; who hangs up pays for the prompt and for what came; a stream without usage is
    estimated; nothing stays held."""

    async def main() -> None:
        one = budget(1000)
        till = Till(tmp_path, one)
        till.ask(max_tokens=9)
        refuse(till.last, 500)
        assert till.spent(one) == (0, 0)
        call, _ = till.ask(max_tokens=9)
        call.hang_up()
        assert till.spent(one) == (1, 0)
        call, _ = till.ask(max_tokens=9, stream=True)
        till.last.head()
        till.last.receiver.on_data(EVENT)
        call.hang_up()
        spent, held = till.spent(one)
        assert 2 <= spent <= 11
        assert held == 0

    run(main)


def test_whose_money_it_is(tmp_path: Path) -> None:
    """A budget is kept by who it is for: each user by themselves, one user, the members of a group, an endpoint."""

    async def main() -> None:
        mine = budget(20, id="b1", scope="user")
        others = budget(0, id="b2", scope="user", subject="somebody else")
        group = budget(30, id="b3", scope="group", subject="g1")
        strangers = budget(0, id="b4", scope="group", subject="g2")
        till = Till(tmp_path, mine, others, group, strangers)
        member = Principal(ANN.id, ANN.name, groups=frozenset({"g1"}))
        current = till.snapshot.current()
        grants = {key: structs.replace(grant, principal=member) for key, grant in current.tokens.items()}
        till.snapshot.swap(structs.replace(current, tokens=grants))
        till.ask(max_tokens=9)
        till.last.answer(ANSWER)
        assert till.spent(mine, ANN.id) == (5, 0)
        assert till.spent(group, "g1") == (5, 0)
        assert till.spent(others, "somebody else") == (0, 0)
        assert till.spent(strangers, "g2") == (0, 0)

    run(main)


def test_what_cannot_be_counted_is_not_let_through(tmp_path: Path) -> None:
    """A price that is not known is not 0: a budget that refuses refuses such calls, one that alerts lets them pass."""

    async def main() -> None:
        till = Till(tmp_path, budget(20), price=None)
        assert "price of" in message(till.ask()[1])
        till = Till(tmp_path, budget(20, action="alert"), price=None)
        till.ask()
        till.last.answer(ANSWER)
        assert till.records[-1].status == 200

    run(main)


def test_what_may_cost_more_than_there_is_fails_nobody(tmp_path: Path) -> None:
    """Calls that ask for more than can be counted are let through where a budget only tells, many at once too."""

    async def main() -> None:
        one = budget(10, action="alert")
        till = Till(tmp_path, one)
        for _ in range(20):
            _, client = till.ask(max_tokens=2**31 - 1, n=128)
            assert client.status == 0
        while till.calls:
            till.calls.pop().answer(ANSWER)
        assert till.spent(one) == (5 * 20, 0)

    run(main)


def test_thresholds_are_told_once(tmp_path: Path) -> None:
    """At 80 per cent, and when the first call is refused, once each in a period; a budget that alerts refuses none."""

    async def main() -> None:
        one, only = budget(11), budget(5, id="b2", action="alert", thresholds=(100,))
        till = Till(tmp_path, one, only)
        for _ in range(2):
            till.ask(max_tokens=2)
            till.last.answer(ANSWER)
        assert [(each.budget_id, each.threshold, each.spent // DOLLAR) for each in till.budgets.alerts] == [
            ("b2", 100, 5),
            ("b1", 80, 10),
        ]
        for _ in range(2):
            message(till.ask(max_tokens=2)[1])
        assert [each.threshold for each in till.budgets.alerts] == [100, 80, 100]
        till.time += 86_400
        for _ in range(2):
            till.ask(max_tokens=2)
            till.last.answer(ANSWER)
        assert len(till.budgets.alerts) == 5

    run(main)


def test_both_sides_of_a_hedge_are_paid(tmp_path: Path) -> None:
    """The winner's usage, and the prompt of who was stopped; both are held before."""

    async def main() -> None:
        one = budget(1000)
        till = Till(tmp_path, one, rules=AiGateway(hedging_config=Hedging(0.01)))
        till.ask(max_tokens=9)
        assert till.spent(one) == (0, 1 + 10)
        await turn(0.02)
        assert len(till.calls) == 2
        till.last.answer(ANSWER)
        assert till.spent(one) == (5 + 1, 0)

    run(main)


def test_an_answer_after_the_end_of_the_period_costs_the_one_before(tmp_path: Path) -> None:
    """Money is counted in the period in which it was held, and the next one begins with all of it."""

    async def main() -> None:
        one = budget(10)
        till = Till(tmp_path, one)
        till.ask(max_tokens=9)
        till.time += 86_400
        first = till.last
        assert till.spent(one) == (0, 0)
        till.ask(max_tokens=9)
        first.answer(ANSWER)
        assert till.spent(one) == (0, 10)
        till.time -= 86_400
        assert till.spent(one) == (5, 0)

    run(main)


# ---------------------------------------------------------------- the table


def test_all_or_nothing(tmp_path: Path) -> None:
    """Where one budget has no room, nothing is held under the others; an alert alone has no limit."""
    table = BudgetCounters.of_home(tmp_path)
    ends = int(table.now()) + 1000
    assert table.take([Charge(ONE, ends, 10, 6), Charge(TWO, ends, UNLIMITED, 6)]).refused is None
    held = table.take([Charge(TWO, ends, UNLIMITED, 6), Charge(ONE, ends, 10, 6)])
    assert (held.refused, held.spent) == (1, [6, 6])
    found = table.find(TWO)
    assert found is not None
    assert (found.spent, found.held) == (0, 6)
    assert table.settle([Charge(ONE, ends, 10, 6)], 4) == [4]
    assert table.take([Charge(ONE, ends, 10, 6)]).refused is None


def test_what_others_have_spent_counts(tmp_path: Path) -> None:
    """Other hosts' spending leaves less room, and what this host is known to have spent is not forgotten."""
    table = BudgetCounters.of_home(tmp_path)
    ends = int(table.now()) + 1000
    table.learn(ONE, ends, 4, 1, here=2)
    assert table.take([Charge(ONE, ends, 10, 4)]).refused == 0
    assert table.take([Charge(ONE, ends, 10, 3)]).spent == [7]
    table.learn(ONE, ends, 6, 0, here=1)
    found = table.find(ONE)
    assert found is not None
    assert found[2:] == (2, 3, 6, 0)


def test_slots_are_used_again(tmp_path: Path) -> None:
    """A key whose period was over a day ago makes room; while there is none, nothing is let through uncounted."""
    clock = [NOON]
    descriptor = os.open(tmp_path / "few", os.O_RDWR | os.O_CREAT)
    os.ftruncate(descriptor, words_of(4, 1) * 8)
    table = BudgetCounters(descriptor, 4, lambda: clock[0])
    keys = [key_of(str(number)) for number in range(5)]
    for each in keys[:4]:
        assert table.take([Charge(each, int(NOON) + 9, 9, 1)]).refused is None
    assert table.take([Charge(keys[4], int(NOON) + 9, 9, 1)]).full
    clock[0] = NOON + 9 + KEPT_SECONDS
    assert table.take([Charge(keys[4], int(NOON) + 2 * KEPT_SECONDS, 9, 1)]).refused is None
    assert len(list(table.entries())) == 1


SPENDER = """
import sys
import time
from pathlib import Path
from cloche.gateway.budget_counters import BudgetCounters, Charge
from cloche.gateway.counters import key_of
table = BudgetCounters.of_home(Path(sys.argv[1]), 3, int(sys.argv[3]))
got = 0
print(flush=True)
input()
while table.take([Charge(key_of("one"), int(sys.argv[2]), 20_000, 7, 2)]).refused is None:
    got += 1
    print(got, flush=True)
    time.sleep(0.0001)
"""


def test_processes_share_a_budget_and_one_may_be_killed(tmp_path: Path) -> None:
    """Of three processes that spend from one budget, one is killed: together they hold all that there is room for and
    not a nano-dollar more; what the killed one held is given back once, but for its prompts, and not again."""
    table = BudgetCounters.of_home(tmp_path, 3)
    ends = int(table.now()) + 1000
    words = [sys.executable, "-c", SPENDER, str(tmp_path), str(ends)]
    spenders = [
        subprocess.Popen([*words, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for place in range(3)
    ]
    for each in spenders:
        assert each.stdout is not None
        each.stdout.readline()
    for each in spenders:
        assert each.stdin is not None
        each.stdin.write(b"go\n")
        each.stdin.flush()
    first = spenders[0]
    assert first.stdout is not None
    for _ in range(20):
        first.stdout.readline()
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=60)
    got = sum(int(each.communicate(timeout=60)[0].split()[-1]) for each in spenders[1:])
    most = 20_000 // 7
    assert counted(table) == (0, most * 7)
    assert got <= most - 20
    for _ in range(2):
        table.free(0)
        spent, held = counted(table)
        assert held == got * 7
        assert spent in ((most - got) * 2, (most - got) * 2 + 2), "it may have been killed while it took one more"


def counted(table: BudgetCounters) -> tuple[int, int]:
    """What is spent and held under the first key."""
    found = table.find(ONE)
    assert found is not None
    return found.spent, found.held


def test_a_host_begins_with_nothing_held(tmp_path: Path) -> None:
    """Whatever the processes of before held is given back, however many there were; one of them that still ends a call
    counts what it cost, and takes nothing more."""
    ends = int(BudgetCounters.of_home(tmp_path).now()) + 1000
    charge = Charge(ONE, ends, 100, 7, 2)
    late: list[BudgetCounters] = []
    for places in (3, 1, 2):
        host = BudgetCounters.of_home(tmp_path, places)
        before = counted(host)[0] if late else 0
        host.begin()
        if late:
            assert counted(host) == (before + 2, 0)
            late[-1].settle([charge], 5)
            assert late[-1].take([charge]).full
            assert counted(host) == (before + 5, 0)
        late.append(BudgetCounters.of_home(tmp_path, places, places - 1))
        assert late[-1].take([charge]).refused is None
