"""Calls and tokens of the running minute, counted in a Valkey that several hosts share.

What a call wants is checked and counted under all its keys by one script, so all of it or nothing, in the minute of
Valkey's clock.  What is asked again because a connection broke may count twice, never not at all.  Must not know whom
or what is limited, nor what is done while Valkey is away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cloche.gateway.counters import Key, Taken, Want
from cloche.gateway.valkey import Command, Valkey

_TAKE = """
local clock = redis.call('TIME')
local now = tonumber(clock[1])
local minute = math.floor(now / 60)
local told = {minute, 60 - now % 60, -1, 0}
for i, key in ipairs(KEYS) do
  local found = redis.call('HMGET', key, 'minute', 'calls', 'tokens')
  local calls, tokens = 0, 0
  if tonumber(found[1]) == minute then calls, tokens = tonumber(found[2]), tonumber(found[3]) end
  told[#told + 1], told[#told + 2] = calls, tokens
  local most, most_tokens, needed = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  if most >= 0 and calls >= most then told[3] = i - 1 return table.concat(told, ' ') end
  if most_tokens >= 0 and (tokens + needed > most_tokens or most_tokens == 0) then
    told[3], told[4] = i - 1, 1
    return table.concat(told, ' ')
  end
end
for i, key in ipairs(KEYS) do
  local calls, tokens = told[2 * i + 3] + 1, told[2 * i + 4] + tonumber(ARGV[3 * i])
  told[2 * i + 3], told[2 * i + 4] = calls, tokens
  redis.call('HSET', key, 'minute', minute, 'calls', string.format('%.0f', calls),
             'tokens', string.format('%.0f', tokens))
  redis.call('EXPIRE', key, 120)
end
return table.concat(told, ' ')
"""
"""Of each key: the limits of calls and of tokens, and the tokens needed.  Tells minute, seconds left, which key refused
and whether for tokens, and what is counted under each key that was looked at: in one text, because the client takes
some µs for each part of an answer that has parts."""

_SETTLE = """
local minute = math.floor(tonumber(redis.call('TIME')[1]) / 60)
for i, key in ipairs(KEYS) do
  local change = tonumber(ARGV[i + 1])
  if tonumber(ARGV[1]) == minute or change > 0 then
    local found = redis.call('HMGET', key, 'minute', 'calls', 'tokens')
    local calls, tokens = 0, 0
    if tonumber(found[1]) == minute then calls, tokens = tonumber(found[2]), tonumber(found[3]) end
    redis.call('HSET', key, 'minute', minute, 'calls', string.format('%.0f', calls),
               'tokens', string.format('%.0f', math.max(0, tokens + change)))
    redis.call('EXPIRE', key, 120)
  end
end
return ''
"""
"""The minute in which it was counted, and of each key the change of its tokens: as `Counters.settle` does it."""

Told = Callable[[Taken | None], None]
"""Takes what came of it; None: Valkey cannot tell."""


class SharedCounters:
    """The counters in one process."""

    def __init__(self, valkey: Valkey) -> None:
        self.valkey = valkey

    def take(self, wants: Sequence[Want], told: Told) -> None:
        """Count the call under every key if there is room under all of them, else under none."""
        names = [_name(want.key) for want in wants]
        limits = [number for want in wants for number in want[1:]]
        self.valkey.ask(("EVAL", _TAKE, len(names), *names, *limits), _taken, told)

    def settle(self, minute: int, changes: Iterable[tuple[Key, int]]) -> None:
        """Give tokens back that were counted in a minute, or count more of them.  While Valkey is away what was held
        stays counted until its minute ends."""
        if self.valkey.up:
            known = list(changes)
            names = [_name(key) for key, _ in known]
            command: Command = ("EVAL", _SETTLE, len(names), *names, minute, *[change for _, change in known])
            self.valkey.ask(command, len, lambda _: None)


def _name(key: Key) -> str:
    return f"cloche:limit:{key.text}"


def _taken(answer: bytes) -> Taken:
    minute, seconds, refused, of_tokens, *counted = map(int, answer.split())
    used = list(zip(counted[::2], counted[1::2], strict=True))
    return Taken(minute, seconds, used, None if refused < 0 else (refused, "tokens" if of_tokens else "calls"))
