"""What calls hold of budgets, counted in a Valkey that several hosts share, against what all hosts have spent.

Of each key Valkey has a table: what each host has spent, which only ever grows, so whoever knows more of it may say so
in any order; and what each process holds, which counts while that process is heard of, for HELD_SECONDS.  One script
looks at all keys of a call and holds under all of them or none.

Valkey is no place to keep money: what is spent stands in each host's table and in the database.  So a Valkey that has
forgotten everything is told again, what is spent by the hosts (bootstrap/budget_keeper.py) and what is held by each
process, first thing over a new connection and every second; until it has had LEARN_SECONDS for that it cannot tell.
Must not know whose money it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from cloche.gateway.budget_counters import HELD_SECONDS, KEPT_SECONDS, BudgetCounters, Charge
from cloche.gateway.counters import UNLIMITED, Key
from cloche.gateway.valkey import Command, Valkey

LEARN_SECONDS: Final = 3
"""That a Valkey which knows nothing is told for: every process that is well has said what it holds by then, and every
host what is spent."""

_TAKE = """
local now, opened = tonumber(redis.call('TIME')[1]), tonumber(redis.call('GET', ARGV[1]) or '')
if not opened or now < opened + tonumber(ARGV[2]) then return '-2' end
local holder, told = ARGV[3], {'-1'}
for i, key in ipairs(KEYS) do
  local most, amount, total = tonumber(ARGV[3 * i + 2]), tonumber(ARGV[3 * i + 3]), 0
  local found = redis.call('HGETALL', key)
  for j = 1, #found, 2 do
    local name, known = found[j], tonumber(found[j + 1])
    if name == holder or string.sub(name, 1, 2) == 's:' then total = total + known
    elseif redis.call('EXISTS', 'cloche:holder:' .. name) == 1 then total = total + known
    else redis.call('HDEL', key, name) end
  end
  told[i + 1] = string.format('%.0f', total)
  if total + amount > most then told[1] = i - 1 return table.concat(told, ' ') end
end
for i, key in ipairs(KEYS) do
  redis.call('HINCRBY', key, holder, ARGV[3 * i + 3])
  redis.call('EXPIREAT', key, ARGV[3 * i + 4])
end
redis.call('SET', 'cloche:holder:' .. holder, '1', 'EX', ARGV[4])
return table.concat(told, ' ')
"""
"""The mark and how long it must have stood, who holds, and how long that counts; of each key the limit, the amount, and
when it may be forgotten.  Tells which key refused, and what is spent and held under each that was looked at; -1: none
has, -2: it has not been told of all yet."""

_SETTLE = """
local holder, host = ARGV[1], ARGV[2]
for i, key in ipairs(KEYS) do
  if redis.call('HINCRBY', key, holder, ARGV[3 * i]) <= 0 then redis.call('HDEL', key, holder) end
  local spent = ARGV[3 * i + 1]
  if tonumber(redis.call('HGET', key, host) or '0') < tonumber(spent) then redis.call('HSET', key, host, spent) end
  redis.call('EXPIREAT', key, ARGV[3 * i + 2])
end
return ''
"""
"""Who holds, for which host; of each key how what it holds changes, what the host has spent, and when it may be
forgotten."""

_STAND = """
local holder, host = ARGV[1], ARGV[2]
for i, key in ipairs(KEYS) do
  local held, spent = ARGV[3 * i + 1], ARGV[3 * i + 2]
  if held == '0' then redis.call('HDEL', key, holder) else redis.call('HSET', key, holder, held) end
  if tonumber(redis.call('HGET', key, host) or '0') < tonumber(spent) then redis.call('HSET', key, host, spent) end
  redis.call('EXPIREAT', key, ARGV[3 * i + 3])
end
redis.call('SET', 'cloche:holder:' .. holder, '1', 'EX', ARGV[3])
return ''
"""
"""Who holds, for which host, and how long that counts; of each key what it holds in all, what the host has spent, and
when it may be forgotten."""

_TELL = """
redis.call('SET', ARGV[1], redis.call('TIME')[1], 'NX')
redis.call('EXPIRE', ARGV[1], 86400)
for i, key in ipairs(KEYS) do
  local host, spent = ARGV[3 * i - 1], ARGV[3 * i]
  if tonumber(redis.call('HGET', key, host) or '0') < tonumber(spent) then redis.call('HSET', key, host, spent) end
  redis.call('EXPIREAT', key, ARGV[3 * i + 1])
end
return redis.call('GET', ARGV[1])
"""
"""The mark; of each key a host, what it has spent, and when it may be forgotten.  Tells since when the mark stands."""

_LEARNING = -2


class Admitted(NamedTuple):
    """What came of it.  `refused`: which charge found no room; None: all are held.  `spent`: under each key that was
    looked at, what is held included, before this."""

    spent: list[int]
    refused: int | None


class Total(NamedTuple):
    """What a host has spent under a key, whose period ends then."""

    key: Key
    host: str
    spent: int
    ends: int


class SharedMoney:
    """The counters in one process.  It is what stands for its Valkey.

    `counters`: of this host.  `deployment`: names what all hosts of one database count.  `host`: this one's name.
    """

    def __init__(self, valkey: Valkey, counters: BudgetCounters, deployment: str, host: str) -> None:
        self.valkey = valkey
        self._counters = counters
        self._mark = _mark(deployment)
        self._host = _host(host)
        self._holder = holder(host, counters.name)
        # As Valkey should have it, once everything that was asked is answered: amount, and when it may be forgotten.
        self._held: dict[Key, tuple[int, int]] = {}
        self._said_to_be_free: list[Key] = []
        valkey.standing = self

    def take(self, charges: Sequence[Charge], told: Callable[[Admitted | None], None]) -> None:
        """Hold every amount that has a limit, if all have room, else none.  Told None: Valkey cannot tell."""
        limited = _limited(charges)
        names = [_name(each.key) for each in limited]
        wanted = [part for _, ends, limit, amount, _ in limited for part in (limit, amount, ends + KEPT_SECONDS)]
        common = (self._mark, LEARN_SECONDS, self._holder, HELD_SECONDS)

        def came(admitted: Admitted | None) -> None:
            if admitted is not None and admitted.refused is None:
                self.add(charges)
            told(admitted)

        self.valkey.ask(("EVAL", _TAKE, len(names), *names, *common, *wanted), _admitted, came)

    def add(self, charges: Sequence[Charge]) -> None:
        """They are held.  Valkey is told with what stands, where it does not know."""
        for key, ends, _, amount, _ in _limited(charges):
            self._held[key] = (self._held.get(key, (0, 0))[0] + amount, ends + KEPT_SECONDS)

    def settle(self, charges: Sequence[Charge]) -> None:
        """They are held no longer, and what they cost is counted on this host."""
        limited = _limited(charges)
        names = [_name(each.key) for each in limited]
        changes = [
            part for key, ends, _, amount, _ in limited for part in (-amount, self._spent(key), ends + KEPT_SECONDS)
        ]

        def came(_: int | None) -> None:
            for key, ends, _, amount, _ in limited:
                self._held[key] = (max(0, self._held.get(key, (0, 0))[0] - amount), ends + KEPT_SECONDS)

        self.valkey.ask(("EVAL", _SETTLE, len(names), *names, self._holder, self._host, *changes), len, came)

    def _spent(self, key: Key) -> int:
        entry = self._counters.find(key)
        return 0 if entry is None else entry.spent

    # ---------------------------------------------------------------- what stands

    def __bool__(self) -> bool:
        """Whether anything is held, or was until a moment ago."""
        return bool(self._held)

    def commands(self) -> Sequence[Command]:
        """All that is held."""
        names = [_name(key) for key in self._held]
        told = [part for key, (held, until) in self._held.items() for part in (held, self._spent(key), until)]
        self._said_to_be_free = [key for key, (amount, _) in self._held.items() if not amount]
        return [("EVAL", _STAND, len(names), *names, self._holder, self._host, HELD_SECONDS, *told)]

    def said(self) -> None:
        """What is free is known to be so."""
        for key in self._said_to_be_free:
            if not self._held[key][0]:
                del self._held[key]
        self._said_to_be_free = []


def tell(deployment: str, totals: Iterable[Total]) -> Command:
    """Asks Valkey to know what hosts have spent.  The answer changes when it had forgotten everything."""
    known = list(totals)
    told = [part for each in known for part in (_host(each.host), each.spent, each.ends + KEPT_SECONDS)]
    return ("EVAL", _TELL, len(known), *[_name(each.key) for each in known], _mark(deployment), *told)


def holder(host: str, process: str) -> str:
    """What a process is called by which money is held: as no other one ever was."""
    return f"{host}.{process}"


def forget(gone: str) -> Command:
    """Asks Valkey to count no longer what is held by a process that has ended."""
    return ("DEL", f"cloche:holder:{gone}")


def _limited(charges: Sequence[Charge]) -> list[Charge]:
    return [each for each in charges if each.limit != UNLIMITED]


def _name(key: Key) -> str:
    return f"cloche:budget:{key.text}"


def _mark(deployment: str) -> str:
    return f"cloche:budgets:{deployment}"


def _host(host: str) -> str:
    return f"s:{host}"


def _admitted(answer: bytes) -> Admitted | None:
    refused, *spent = map(int, answer.split())
    if refused == _LEARNING:
        return None
    return Admitted(spent, None if refused < 0 else refused)
