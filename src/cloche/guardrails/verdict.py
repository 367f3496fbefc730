"""Why a text may not be said: which rule forbids it, and what it was taken for.  Must not know how that was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Reason = Literal["pii", "invalid_keywords", "unreadable", "safety", "valid_topics", "prompt_injection", "judge_failed"]
"""`judge_failed`: nobody could say whether it may be said."""


class Blocked(Exception):
    """A text may not be said.  `reason`: which rule forbids it; never the text.

    `scores`: what it was taken for, with how sure that is, from 0 to 1; None where the rule tells no such thing.
    """

    def __init__(self, reason: Reason, scores: Mapping[str, float] | None = None) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.scores = scores

    @property
    def categories(self) -> dict[str, bool] | None:
        """What it was taken for; None of personal data, which has a field of its own on the wire."""
        if self.reason == "pii":
            return None
        return dict.fromkeys(self.scores or (self.reason,), True)
