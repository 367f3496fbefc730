"""The table that all processes of a host count in: exact to the call, whatever dies."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from cloche.gateway.counters import FILE, SLOTS, UNLIMITED, Counters, Key, Want, key_of

from .scripted import fresh_counters

ALL = key_of("e", "endpoint", "")
ANN = key_of("e", "user", "ann")


class Now:
    """A clock that the test sets."""

    def __init__(self, at: float = 6000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def calls(key: Key, limit: int) -> Want:
    """One call more, of at most `limit`."""
    return Want(key, limit, UNLIMITED, 0)


def tokens(key: Key, limit: int, needed: int) -> Want:
    """So many tokens more, of at most `limit`."""
    return Want(key, UNLIMITED, limit, needed)


def test_all_or_nothing() -> None:
    """A call that one limit refuses is counted under none."""
    counters = fresh_counters(now=Now())
    assert counters.take((calls(ALL, 9), calls(ANN, 1))).refused is None
    refused = counters.take((calls(ALL, 9), calls(ANN, 1)))
    assert refused.refused == (1, "calls")
    assert refused.used == [(1, 0), (1, 0)]
    assert counters.take((calls(ALL, 9),)).used == [(2, 0)]


@pytest.mark.parametrize("want", [calls(ALL, 0), tokens(ALL, 0, 0)])
def test_zero_allows_nothing(want: Want) -> None:
    """A limit of 0 refuses the first call, even one that needs nothing."""
    assert fresh_counters(now=Now()).take((want,)).refused is not None


def test_the_minute_ends_for_everybody_at_once() -> None:
    """To the last second of a minute its count holds; in the next everything is new, and the seconds left are told."""
    now = Now(6000.0)
    counters = fresh_counters(now=now)
    assert counters.take((calls(ALL, 1),)).seconds == 60
    now.at = 6059.999
    last = counters.take((calls(ALL, 1),))
    assert (last.refused, last.seconds) == ((0, "calls"), 1)
    now.at = 6060.0
    assert counters.take((calls(ALL, 1),)) == (101, 60, [(1, 0)], None)


def test_tokens_are_given_back() -> None:
    """What was not used has room again; what was used beyond what was held counts too."""
    counters = fresh_counters(now=Now())
    taken = counters.take((tokens(ALL, 100, 100),))
    assert counters.take((tokens(ALL, 100, 1),)).refused == (0, "tokens")
    counters.settle(taken.minute, [(ALL, -70)])
    assert counters.take((tokens(ALL, 100, 70),)).used == [(2, 100)]
    counters.settle(taken.minute, [(ALL, 30)])
    assert counters.take((tokens(ALL, 200, 1),)).used == [(3, 131)]


def test_after_the_minute_only_more_counts() -> None:
    """A call that ends in a later minute gives nothing back there, and what it used on top counts there."""
    now = Now(6000.0)
    counters = fresh_counters(now=now)
    taken = counters.take((tokens(ALL, 100, 50),))
    now.at = 6061.0
    counters.settle(taken.minute, [(ALL, -50)])
    assert counters.take((tokens(ALL, 100, 10),)).used == [(1, 10)]
    counters.settle(taken.minute, [(ALL, 5)])
    assert counters.take((tokens(ALL, 100, 0),)).used == [(2, 15)]


def test_a_full_table_gives_the_places_of_a_minute_that_is_over() -> None:
    """Where every slot is of this minute a new key is refused rather than not counted; a minute later it has one."""
    now = Now()
    counters = fresh_counters(slots=8, now=now)
    keys = [key_of("e", "user", str(number)) for number in range(8)]
    assert all(counters.take((calls(key, 1),)).refused is None for key in keys)
    assert counters.take((calls(ALL, 1),)).refused == (0, "slots")
    assert all(counters.take((calls(key, 1),)).refused == (0, "calls") for key in keys)
    now.at += 60
    assert counters.take((calls(ALL, 1),)).refused is None
    assert sum(counters.take((calls(key, 1),)).refused is None for key in keys) == 7


def test_ten_thousand_users() -> None:
    """Each has a count of their own, in each of two minutes, and long names are as good as short ones."""
    now = Now()
    counters = fresh_counters(slots=SLOTS, now=now)
    keys = [key_of("e", "user", "längerer Name " * 9 + str(number)) for number in range(10_000)]
    for _ in range(2):
        for key in keys:
            assert counters.take((calls(key, 1),)).used == [(1, 0)]
        assert all(counters.take((calls(key, 1),)).refused == (0, "calls") for key in keys[::97])
        now.at += 60


def test_names_are_not_confused() -> None:
    """Where one name ends and the next begins belongs to the key."""
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of("a", "b", "c"), key_of("abc")}) == 4


def test_the_file_is_private_and_outlives_the_process(tmp_path: Path) -> None:
    """Its mode is 0600, and who opens it again in the same minute finds what was counted."""
    now = Now()
    first = Counters.of_home(tmp_path)
    first.close()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    used = []
    for _ in range(2):
        descriptor = os.open(tmp_path / FILE, os.O_RDWR)
        counters = Counters(descriptor, now=now)
        used += counters.take((calls(ALL, 9),)).used
        counters.close()
    assert used == [(1, 0), (2, 0)]


HOLDING = """
import os, sys, time
from cloche.gateway.counters import UNLIMITED, Counters, Want, key_of

counters = Counters(os.open(sys.argv[1], os.O_RDWR), now=lambda: 6000.0)
key = key_of("e", "endpoint", "")
admitted, most, until = 0, 0, time.monotonic() + 1.0
while time.monotonic() < until:
    taken = counters.take((Want(key, UNLIMITED, 100_000, 10),))
    if taken.refused is None:
        admitted += 1
        counters.settle(taken.minute, [(key, -3)])
    most = max(most, taken.used[0][1])
print(admitted, most)
"""


def test_what_is_held_and_given_back_adds_up(tmp_path: Path) -> None:
    """Processes that hold and give back at once never hold more than the limit, and no token is lost or found."""
    Counters.of_home(tmp_path).close()
    command = [sys.executable, "-c", HOLDING, str(tmp_path / FILE)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [[int(word) for word in process.communicate(timeout=20)[0].split()] for process in running]
    counters = Counters(os.open(tmp_path / FILE, os.O_RDWR), now=Now())
    [(calls_made, used)] = counters.take((tokens(ALL, 1_000_000, 0),)).used
    counters.close()
    assert calls_made - 1 == sum(admitted for admitted, _ in told) > 1000
    assert used == 7 * (calls_made - 1)
    assert max(most for _, most in told) <= 100_000


HAMMER = """
import asyncio, os, struct, sys, time
from pathlib import Path
from cloche.gateway.counters import FILE, SLOTS, UNLIMITED, Counters, Want, key_of

limit, until = int(sys.argv[2]), float(sys.argv[3])
table = os.open(Path(sys.argv[1]) / FILE, os.O_RDWR)
counters = Counters(table, now=lambda: time.time() * 60)  # a minute takes a second
admitted = os.open(sys.argv[4], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
both = Want(key_of("e", "endpoint"), limit, UNLIMITED, 0), Want(key_of("e", "user"), limit * 2, UNLIMITED, 0)

async def task():
    while time.time() < until:
        taken = counters.take(both)
        if taken.refused is None:
            os.write(admitted, struct.pack("q", taken.minute))
        await asyncio.sleep(0)

async def main():
    await asyncio.gather(*(task() for _ in range(8)))

asyncio.run(main())
"""


def test_no_call_too_many_whoever_is_killed(tmp_path: Path) -> None:
    """Processes that hammer one limit, some of them killed in the middle, are let in exactly as often as it says in
    each minute; only a call that was being let in when its process died may be missing."""
    limit, processes, until = 500, 4, time.time() + 6.5
    Counters.of_home(tmp_path).close()

    def start(name: str) -> subprocess.Popen[bytes]:
        arguments = (str(tmp_path), str(limit), str(until), str(tmp_path / f"admitted-{name}"))
        return subprocess.Popen([sys.executable, "-c", HAMMER, *arguments])

    running = [start(str(number)) for number in range(processes)]
    kills = 0
    while time.time() < until - 1.0:
        time.sleep(0.4)
        victim = running.pop(0)
        if victim.poll() is None and (tmp_path / f"admitted-{kills}").exists():
            victim.send_signal(signal.SIGKILL)
        victim.wait()
        kills += 1
        running.append(start(str(kills + processes - 1)))
    assert all(process.wait(20) == 0 for process in running)
    admitted = Counter(
        minute
        for path in tmp_path.glob("admitted-*")
        for (minute,) in struct.iter_unpack("q", path.read_bytes()[: path.stat().st_size // 8 * 8])
    )
    whole = [admitted[minute] for minute in sorted(admitted)[1:-1]]
    assert len(whole) >= 2
    assert max(admitted.values()) <= limit
    assert limit * len(whole) - kills <= sum(whole) <= limit * len(whole)
