"""A text that comes in pieces is masked as if it had come whole, and is not held back for long."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cloche.guardrails import pii
from cloche.guardrails.guard import Guard
from cloche.guardrails.keywords import Keywords
from cloche.guardrails.verdict import Blocked

from .test_pii import IN_CONTEXT, TRUE

MASKS = Guard(masks=True)
WORDS = ("secret", "top secret", "naïve plan", "秘密", "한국", "C++")
ENTITIES = [text for texts in TRUE.values() for text in texts]
SPOKEN = [text.format(number) for text, (_, number) in IN_CONTEXT.items()]

piece = st.one_of(
    st.sampled_from(ENTITIES + SPOKEN),
    st.sampled_from(
        [" ", "  ", ", ", "。", "\n", "-", ".", "(", ")", "+", "\\n", "\\", "\\u0040", "：", ":", "@", "x"]
    ),
    st.text(alphabet="ab Z09.-@:+()\\nuー１é", max_size=12),
    st.text(max_size=6),
)
texts = st.lists(piece, max_size=12).map("".join)


def streamed(guard: Guard, text: str, cuts: list[int]) -> str:
    """What comes out of a text that is cut there."""
    window, out, at = guard.window(), [], 0
    for cut in [*sorted(cuts), len(text)]:
        out.append(window.feed(text[at:cut]))
        at = cut
    return "".join(out) + window.end()


@pytest.mark.parametrize("entity", ENTITIES + SPOKEN)
def test_every_entity_at_every_cut(entity: str) -> None:
    """Cut in two anywhere, and character by character, in a sentence and alone: the same text comes out, and no part
    of what is masked."""
    for text in (entity, f"Write {entity} down, please. Thanks!", f"はい、{entity}です"):
        whole = MASKS.passed(text)
        assert "<" in whole
        assert streamed(MASKS, text, list(range(len(text)))) == whole
        for cut in range(len(text)):
            assert streamed(MASKS, text, [cut]) == whole


@settings(max_examples=400, deadline=None)
@given(texts, st.data())
@example("call (415) 555-2671 4111 1111 1111 1111", None)
def test_a_cut_changes_nothing(text: str, data: st.DataObject | None) -> None:
    """Whatever the text and wherever it is cut."""
    cuts = list(range(len(text))) if data is None else data.draw(st.lists(st.integers(0, len(text)), max_size=8))
    assert streamed(MASKS, text, cuts) == MASKS.passed(text)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([*WORDS, "SECRETS", "ＳＥＣＲＥＴ", "nai\u0308ve", " ", " plan", "の", "top", "."]), max_size=8
    ),
    st.data(),
)
def test_a_keyword_is_blocked_wherever_it_is_cut(parts: list[str], data: st.DataObject) -> None:
    """In pieces exactly where it is blocked whole, and nothing of it has gone out before."""
    text = "".join(parts)
    guard = Guard(keywords=Keywords(WORDS))
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=8))
    try:
        expected = guard.passed(text)
    except Blocked:
        with pytest.raises(Blocked):
            streamed(guard, text, cuts)
    else:
        assert streamed(guard, text, cuts) == expected == text


@settings(max_examples=100, deadline=None)
@given(texts)
def test_not_more_is_held_back_than_was_promised(text: str) -> None:
    """However long a text goes on without an end of its words."""
    window = Guard(masks=True, keywords=Keywords(WORDS)).window()
    try:
        for _ in range(20):
            window.feed(text)
            assert window.held <= pii.HOLD
    except Blocked:
        pass


def test_prose_flows() -> None:
    """Of a sentence the word that is being written is held back and nothing else."""
    window = MASKS.window()
    out = [window.feed(each) for each in ("Good", " morning", ", it", " is", " 7", " o'clock", " now.")]
    assert out == ["", "Good", " morning,", " it", " is", "", ""] or out[:5] == ["", "Good ", "morning, ", "it ", "is "]
    assert "".join(out) + window.end() == "Good morning, it is 7 o'clock now."


def test_what_blocks_goes_out_in_no_part() -> None:
    """An entity that ends a stream leaves nothing of itself behind."""
    window = Guard(blocks=True).window()
    said = window.feed("Her card is 4111 1111")
    with pytest.raises(Blocked) as blocked:
        said += window.feed(" 1111 1111. Bye") + window.end()
    assert blocked.value.reason == "pii"
    assert said == "Her card is "
