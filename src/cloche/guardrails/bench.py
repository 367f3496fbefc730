"""A text tried on a guard, and what would become of it: for whoever makes rules.  Must not know calls."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cloche.guardrails import pii
from cloche.guardrails.guard import Blocked, Guard, Reason


class Found(Struct, frozen=True):
    """Personal data: its place, in characters of the text, and its kind."""

    start: int
    end: int
    kind: str


class Trial(Struct, frozen=True):
    """`text`: what would go on; None if it is blocked.  `reason`: why.  `findings`: whether they matter or not."""

    action: Literal["PASSED", "MASKED", "BLOCKED"]
    text: str | None
    reason: Reason | None
    findings: list[Found]


def tried(text: str, guard: Guard | None) -> Trial:
    """What would become of a text.  `guard`: None: there is none."""
    findings = [Found(*each) for each in pii.find(pii.folded(text), 0, len(text))]
    if guard is None:
        return Trial("PASSED", text, None, findings)
    try:
        passed = guard.passed(text)
    except Blocked as why:
        return Trial("BLOCKED", None, why.reason, findings)
    return Trial("PASSED" if passed == text else "MASKED", passed, None, findings)
