"""What whole conversations are looked at for, and the seam for whoever looks: an Inspector.

A rule that can be decided piece by piece is a Guard's (guard.py), so that streams flow.  One that needs all of a text
is an Inspector's, which answers at once, or is part of the Brief of a judge, a model that is asked.  A new one is a
class with `inspect` and a line in `review_of`.  Must not know calls or JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from cloche.domain.ai_gateway import GuardrailParameters, Judge
from cloche.guardrails.injection import has_injection
from cloche.guardrails.quotes import Quotes
from cloche.guardrails.topics import Topics
from cloche.guardrails.verdict import Blocked


class Said(NamedTuple):
    """What somebody said.  `role`: in the words of chats; texts without one are a user's."""

    role: str
    text: str


class Inspector(Protocol):
    """Looks at a conversation, which takes time in proportion to its length and no more.  Reads nothing else."""

    def inspect(self, said: Sequence[Said]) -> None:
        """Raises Blocked for what may not be said.  Of an answer `said` is the question and then the answer."""


class Brief(NamedTuple):
    """What a judge is asked.  `topics`: one of them must be what it is about; none: anything may.  `pii`: what becomes
    of the personal data that it finds; None: it looks for none.  `of_answer`: the last that was said is judged, and
    what was said before only explains it; else all is."""

    judge: Judge
    safety: bool
    topics: tuple[str, ...]
    pii: Literal["MASK", "BLOCK"] | None = None
    of_answer: bool = False

    def judged(self, said: Sequence[Said]) -> Sequence[Said]:
        """What of it is judged."""
        return said[-1:] if self.of_answer else said


class Verdict(NamedTuple):
    """What a judge has said.  `blocked`: why it may not be said; None: it may.  `quotes`: personal data, without which
    it may be; None: there is none."""

    blocked: Blocked | None = None
    quotes: Quotes | None = None


class Review(NamedTuple):
    """What one side of a call is looked at for as a whole."""

    inspectors: tuple[Inspector, ...]
    brief: Brief | None

    def inspect(self, said: Sequence[Said]) -> None:
        """Raises Blocked for what can be told at once."""
        for each in self.inspectors:
            each.inspect(said)


class _OnTopic:
    """Somebody's last words must have a word of one of the topics."""

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = Topics(topics)

    def inspect(self, said: Sequence[Said]) -> None:
        """A request without a question of a user's is about nothing."""
        speaker = "assistant" if said and said[-1].role == "assistant" else "user"
        last = next((each.text for each in reversed(said) if each.role == speaker), "")
        if not self._topics.mentioned(last):
            raise Blocked("valid_topics", {"valid_topics": 1.0})


class _NoInjection:
    """Nobody but the application itself, whose words have the role `system` or `developer`, gives instructions."""

    def inspect(self, said: Sequence[Said]) -> None:
        """What the model itself has said is not looked at: it may quote what it was asked."""
        for each in said:
            kinds = has_injection(each.text) if each.role not in ("system", "developer", "assistant") else ()
            if kinds:
                raise Blocked("prompt_injection", dict.fromkeys(("prompt_injection", *kinds), 1.0))


def review_of(rules: GuardrailParameters | None, judge: Judge | None, *, of_answer: bool = False) -> Review | None:
    """What the rules of one side look at as a whole; None: nothing.  `of_answer`: that side is what is answered."""
    if rules is None:
        return None
    inspectors: list[Inspector] = []
    topics = tuple(rules.valid_topics or ())
    if rules.prompt_injection:
        inspectors.append(_NoInjection())
    if topics and judge is None:
        inspectors.append(_OnTopic(topics))
    brief = None
    behavior = None if rules.pii is None or not rules.pii.judged else rules.pii.behavior
    pii = behavior if behavior == "MASK" or behavior == "BLOCK" else None
    if judge is not None and (rules.safety or topics or pii is not None):
        brief = Brief(judge, bool(rules.safety), topics, pii, of_answer)
    return Review(tuple(inspectors), brief) if inspectors or brief else None
