"""Sets two results side by side, to judge a change: how much more or less each gateway costs in the second.

Each figure is taken as a multiple of nginx's in its own round first, so that a slower hour of the machine cancels
out; then the second result's rounds are set against the first's.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench import figures
from bench.figures import Figure, Spread
from bench.results import Result, Subject

ENOUGH_ROUNDS = 5


def markdown(before: Result, after: Result) -> str:
    """A table of ratios, second to first, with quartiles and a verdict."""
    lines = ["| gateway | figure | second ÷ first [quartiles] | verdict |", "| --- | --- | ---: | --- |"]
    enough = min(before.conditions.rounds, after.conditions.rounds) >= ENOUGH_ROUNDS
    for name, figure, change in _changes(before, after):
        quartiles = f"{change.median:.2f} [{change.low:.2f}–{change.high:.2f}]"
        lines.append(f"| {name} | {figure.title} | {quartiles} | {_verdict(change) if enough else 'too few rounds'} |")
    return "\n".join(lines) + "\n"


def _changes(before: Result, after: Result) -> Iterator[tuple[str, Figure, Spread]]:
    limits = before.subject("nginx"), after.subject("nginx")
    for first in before.subjects:
        second = after.subject(first.name)
        if second is None or first.start_s is None or first is limits[0]:
            continue
        for figure in figures.CPU_FIGURES:
            if change := _change(_scaled(first, limits, 0, figure), _scaled(second, limits, 1, figure)):
                yield first.name, figure, change


def _scaled(subject: Subject, limits: tuple[Subject | None, Subject | None], side: int, figure: Figure) -> list[float]:
    limit = limits[side]
    own = figures.values(subject, figure)
    # Both results need an nginx: a multiple of it cannot be set against bare microseconds.
    base = figures.values(limit, figure) if limit and all(limits) else [1.0] * len(own)
    return [a / b for a, b in zip(own, base, strict=False) if a is not None and b]


def _change(first: list[float], second: list[float]) -> Spread | None:
    """Rounds of two runs have nothing to do with each other, so each of one is set against each of the other."""
    return figures.spread([b / a for a in first for b in second if a])


def _verdict(change: Spread) -> str:
    if change.low > 1:
        return "dearer"
    if change.high < 1:
        return "cheaper"
    return "not told apart"
