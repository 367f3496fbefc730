"""The body of a test of guardrails.  What is tried on a guard, and what comes of it, is guardrails/bench.py's."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cloche.domain.ai_gateway import GuardrailParameters, Judge


class GuardrailTest(Struct, forbid_unknown_fields=True):
    """POST …/guardrails/test.  `guardrails`: rules to try instead of those that the endpoint has on that side.
    `judge`: who is asked by these; None: the lists of words do what they can."""

    text: str
    side: Literal["input", "output"] = "input"
    guardrails: GuardrailParameters | None = None
    judge: Judge | None = None
