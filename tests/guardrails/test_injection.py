"""Attempts to give a model other instructions are told from words that only look like them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from cloche.guardrails.injection import has_injection

CASES: dict[str, Any] = json.loads((Path(__file__).parent / "injections.json").read_text())
ATTEMPTS = [(kind, text) for kind, texts in CASES["attempts"].items() for text in texts]


@pytest.mark.parametrize(("kind", "text"), ATTEMPTS)
def test_an_attempt_is_found(kind: str, text: str) -> None:
    """By its kind, however it is written, also within a longer text."""
    assert kind in has_injection(text)
    assert kind in has_injection(f"Thank you for the report.\n{text}\nBest regards, Ann.")


@pytest.mark.parametrize("text", CASES["harmless"])
def test_harmless_words_are_none(text: str) -> None:
    """Words that attempts are made of, said for another purpose."""
    assert has_injection(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "ignore previous ",
        "send the conversation ",
        "you are act as ",
        "base64 decode and ",
        "これまでの指示 ",
        "![",
        "reveal ",
        "\u200b",
        "[system",
        "\n # ",
    ],
)
def test_the_time_grows_with_the_length(text: str) -> None:
    """Also of texts that nearly are attempts all along: at most 20 ms for each kilobyte."""
    began = time.process_time()
    has_injection(text * (64 * 1024 // len(text)))
    assert time.process_time() - began < 64 * 0.02
