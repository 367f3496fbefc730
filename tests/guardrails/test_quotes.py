"""What was quoted is masked wherever it stands, about as it was quoted, and nothing else is."""

from __future__ import annotations

import time

import pytest

from cloche.guardrails.quotes import Quote, Quotes, is_empty, standing
from cloche.guardrails.verdict import Blocked


def masked(text: str, *quotes: str) -> str:
    """The text without them, as people's names."""
    return Quotes([Quote(each, "PERSON") for each in quotes]).passed(text)


@pytest.mark.parametrize(
    ("text", "quote", "expected"),
    [
        ("Ann Lee met ANN  LEE\nand ann\nlee.", "Ann Lee", "<PERSON> met <PERSON>\nand <PERSON>."),
        ("Ask José or Jose\u0301, at once", "Jose", "Ask <PERSON> or <PERSON>, at once"),
        ("O\u2019Brien\u2011Smith wrote", "O'Brien-Smith", "<PERSON> wrote"),
        ("J\u200boh\u00adn wrote", "John", "<PERSON> wrote"),
        ("Ｊｏｈｎ writes", "john", "<PERSON> writes"),
        ("山田 太郎さんと山田太郎", "山田太郎", "<PERSON>さんと<PERSON>"),
        ("ﾔﾏﾀﾞさん", "ヤマダ", "<PERSON>さん"),
        ("김철수는", "김철수", "<PERSON>는"),
        ("bobさんとBobby", "Bob", "<PERSON>さんとBobby"),
        ("Straße 5", "STRASSE 5", "<PERSON>"),
    ],
)
def test_what_differs_only_in_looks_is_masked(text: str, quote: str, expected: str) -> None:
    """Case, width, composition, accents, spaces, dashes, apostrophes and hidden characters do not count."""
    assert masked(text, quote) == expected
    assert standing([Quote(quote, "PERSON")], ["other", text]) == [Quote(quote, "PERSON")]


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("a banana, and Anna", "n"),
        ("Annabel and Joann", "Ann"),
        ("e\u0301Ann", "Ann"),
        ("ガーデン", "カ"),
        ("각자", "가"),
        ("ann_lee", "ann"),
        ("राम", "रा"[0]),
        ("what is this?", "who is that"),
        ("...", "."),
        ("x", ""),
    ],
)
def test_parts_of_words_and_what_is_not_there_are_left(text: str, quote: str) -> None:
    """A short quote does not take letters out of words."""
    assert masked(text, quote) == text
    assert standing([Quote(quote, "PERSON")], [text]) == []


def test_a_short_name_is_masked_where_it_is_a_word() -> None:
    """And only there."""
    assert masked("J met Jo, and J's dog", "J") == "<PERSON> met Jo, and <PERSON>'s dog"


def test_quotes_that_overlap_are_one() -> None:
    """Nothing of either is left; those beside each other stay two."""
    quotes = Quotes([Quote("Ann Lee", "PERSON"), Quote("Lee Street 5", "LOCATION"), Quote("Ann", "OTHER")])
    assert quotes.passed("At Ann Lee Street 5, Ann") == "At <PERSON>, <OTHER>"
    assert masked("山田太郎", "山田", "太郎") == "<PERSON><PERSON>"
    [found] = quotes.find("é Ann Lee")
    assert found == (2, 9, "PERSON")


def test_a_text_in_pieces_is_masked_as_a_whole() -> None:
    """Wherever it is cut."""
    text = "Mail Ann  Lée, or Ann Lee."
    quotes = Quotes([Quote("ann lee", "PERSON")])
    for first in range(len(text)):
        for second in range(first, len(text)):
            window = quotes.window()
            pieces = window.feed(text[:first]) + window.feed(text[first:second]) + window.end(text[second:])
            assert pieces == "Mail <PERSON>, or <PERSON>."


def test_what_says_nothing_is_empty() -> None:
    """Punctuation, and placeholders of what is masked already."""
    assert all(is_empty(Quote(each, "OTHER")) for each in ("", " \n", "—!", "<EMAIL_ADDRESS>", "<PERSON>, <ID>"))
    assert not is_empty(Quote("Ann <EMAIL_ADDRESS>", "OTHER"))


def test_what_still_stands_is_told() -> None:
    """A quote of two texts is not masked in either; a placeholder is not taken for what it hides."""
    quotes = Quotes([Quote("12 High Street\nLeeds", "LOCATION"), Quote("person", "PERSON")])
    assert quotes.still_stand(["12 High Street\nLeeds"])
    assert not Quotes([Quote("Ann <", "OTHER")]).still_stand(["Ann <PERSON>"])
    assert not quotes.still_stand([quotes.passed("A person at 12 High Street, Leeds"), "<PERSON>"])


def test_quotes_that_would_take_too_long_are_refused() -> None:
    """Soon: whoever writes what is judged may deceive the judge."""
    quotes = Quotes([Quote("a" * size, "OTHER") for size in range(1, 200)])
    began = time.perf_counter()
    with pytest.raises(Blocked):
        quotes.passed("a" * 20_000 + "b")
    assert time.perf_counter() - began < 2
