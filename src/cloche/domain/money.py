"""Money: what tokens cost, in whole billionths of a dollar, so that sums are exact.

Must not know where a price comes from.
"""

from __future__ import annotations

from msgspec import Struct

from cloche.domain.chat import Usage

NANOS = 10**9
"""Billionths in a dollar."""

_TOKENS = 10**6
"""Prices are for so many."""


class Rates(Struct, frozen=True):
    """Nano-dollars for a million tokens.  `cached`: of the prompt, read from a cache; `written`: of the prompt, written
    into one; None: they cost what all others of the prompt do."""

    input: int
    output: int
    cached: int | None = None
    written: int | None = None


class Price(Struct, frozen=True):
    """What the tokens of a model cost.  `tiers`: rates of calls whose prompt has more tokens than that, all of whose
    tokens cost that; the highest comes last."""

    rates: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()

    def cost(self, usage: Usage) -> int:
        """Nano-dollars of a call, rounded up.  0.6 µs."""
        rates = self._rates(usage.prompt_tokens)
        prompt = usage.prompt_tokens
        total = 0
        if usage.cached_tokens and rates.cached is not None:
            cached = min(usage.cached_tokens, prompt)
            prompt -= cached
            total += cached * rates.cached
        if usage.cache_write_tokens and rates.written is not None:
            written = min(usage.cache_write_tokens, prompt)
            prompt -= written
            total += written * rates.written
        total += prompt * rates.input + usage.completion_tokens * rates.output
        return -(-total // _TOKENS)

    def most(self, prompt: int, answer: int) -> int:
        """Nano-dollars of so many tokens, if every one of them is paid at its dearest."""
        rates = self._rates(prompt)
        return -(-(prompt * max(rates.input, rates.written or 0) + answer * rates.output) // _TOKENS)

    def _rates(self, prompt: int) -> Rates:
        rates = self.rates
        for above, dearer in self.tiers:
            if prompt > above:
                rates = dearer
        return rates


FREE = Price(Rates(0, 0))
"""Of what runs on one's own machine."""


def nanos(dollars: float) -> int:
    """Dollars as they are written in JSON, in nano-dollars."""
    return round(dollars * NANOS)


def dollars(amount: int) -> float:
    """Nano-dollars as JSON has them."""
    return amount / NANOS
