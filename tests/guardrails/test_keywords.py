"""Keywords are found however they are written, and only where they are words of their own."""

from __future__ import annotations

import time

import pytest

from cloche.guardrails.keywords import Keywords

KEYWORDS = Keywords(["Secret", "top plan", "café", "ＡＢＣ", "秘密", "Straße", "C++", "한국", "ガス", " ", ""])

SAID = ["secret", "SECRET", "a secret.", "the top plan", "Top\nPlan", "CAFÉ", "cafe\u0301", "abc", "ＡＢＣ"]
SAID += ["これは秘密です", "secretは", "STRASSE", "I like c++ much", "C++", "한국어", "ｶﾞｽ", "(secret)", "x-secret"]
NOT_SAID = [
    "secrets",
    "mysecret",
    "secretive",
    "top  of the plan",
    "cafes",
    "cafe",
    "abcd",
    "秘 密",
    "秘",
    "カス",
    "ガ",
]
NOT_SAID += ["", "strassen", "étop plan", "secret_1"]


@pytest.mark.parametrize("text", SAID)
def test_it_is_found(text: str) -> None:
    """Whatever its case, its width, its composition and what stands beside it."""
    assert KEYWORDS.said(text)


@pytest.mark.parametrize("text", NOT_SAID)
def test_a_part_of_another_word_is_none(text: str) -> None:
    """In scripts with spaces; in others a part of the text is enough."""
    assert not KEYWORDS.said(text)


def test_what_was_said_before_counts() -> None:
    """The rest of a word is none that begins there."""
    assert KEYWORDS.said("secret", "my ")
    assert not KEYWORDS.said("secret", "my")


def test_nothing_is_no_keyword() -> None:
    """Empty keywords are none, rather than found everywhere."""
    assert not Keywords(["", "  "])
    assert not Keywords(["", "  "]).said("anything")


def test_their_number_costs_nothing() -> None:
    """A thousand take about as long as ten."""
    text = "the quick brown fox jumps over the lazy dog " * 2000

    def took(count: int) -> float:
        keywords = Keywords([f"word{number} and more" for number in range(count)] + ["秘密"])
        best = 9.0
        for _ in range(3):
            before = time.process_time()
            assert not keywords.said(text)
            best = min(best, time.process_time() - before)
        return best

    assert took(1000) < 3 * took(10)
