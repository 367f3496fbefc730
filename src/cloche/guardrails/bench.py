"""A text tried on the rules of one side, and what would become of it: for whoever makes rules.  Must not know calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from cloche.guardrails import pii
from cloche.guardrails.guard import Guard, anonymized
from cloche.guardrails.inspecting import Brief, Review, Said, Verdict
from cloche.guardrails.quotes import Quotes
from cloche.guardrails.verdict import Blocked, Reason

Judge = Callable[[Brief, Sequence[Said]], Verdict]
"""Asks a judge for a verdict."""


class Found(Struct, frozen=True):
    """Personal data: its place, in characters of the text, and its kind."""

    start: int
    end: int
    kind: str


class Trial(Struct, frozen=True):
    """`text`: what would go on; None if it is blocked.  `reason`: which rule blocks it, and `category_scores` what it
    takes the text for, where it tells that.  `findings`: personal data, whether it matters or not, and `masked_text`
    the text without it.  `judged`: whether a judge was asked."""

    action: Literal["PASSED", "MASKED", "BLOCKED"]
    text: str | None
    reason: Reason | None
    category_scores: dict[str, float] | None
    findings: list[Found]
    masked_text: str
    judged: bool


def tried(said: Said, guard: Guard | None, review: Review | None, judge: Judge) -> Trial:
    """What would become of a text, by what one side looks for."""
    text, judged = said.text, False
    why: Blocked | None = None
    quotes: Quotes | None = None
    passed = text
    try:
        if guard is not None:
            passed = guard.passed(text)
        if review is not None:
            told = [Said(said.role, passed)]
            review.inspect(told)
            if review.brief is not None:
                judged = True
                why, quotes = judge(review.brief, told)
    except Blocked as blocked:
        why = blocked
    findings = [Found(*each) for each in pii.find(pii.folded(text), 0, len(text))]
    masked = anonymized(text)
    if quotes is not None:
        passed, masked = quotes.passed(passed), quotes.passed(masked)
        quoted = [Found(*each) for each in quotes.find(text)]
        findings += [
            each for each in quoted if not any(each.start < known.end and known.start < each.end for known in findings)
        ]
        findings.sort(key=lambda each: each.start)
    if why is not None:
        scores = None if why.scores is None else dict(why.scores)
        return Trial("BLOCKED", None, why.reason, scores, findings, masked, judged)
    return Trial("PASSED" if passed == text else "MASKED", passed, None, None, findings, masked, judged)
