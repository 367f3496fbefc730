"""Calls in a model's text: found when they are valid, left as text when they are not, however the text comes."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.providers.tool_text import TagScanner, read_call, read_calls

NAMES = {"f", "g"}
GOOD = '<tool_call>{"name": "f", "arguments": {"a": "é<"}}</tool_call>'
CALL = ("f", '{"a": "é<"}')

SCANNED: dict[str, tuple[str, list[str | tuple[str, str]]]] = {
    "nothing": ("", []),
    "text": ("hello < world <tool", ["hello < world <tool"]),
    "a call": (GOOD, [CALL]),
    "calls between text": (f"Look: {GOOD} and {GOOD}!", ["Look: ", CALL, " and ", CALL, "!"]),
    "blanks around calls": (f" \n{GOOD}\n\n{GOOD}\n", [CALL, CALL]),
    "blanks around text": (f"\n a \n{GOOD}\n b \n", ["\n a \n", CALL, "\n b \n"]),
    "only blanks": (" \n ", [" \n "]),
    "a missing end": (GOOD.removesuffix("</tool_call>"), [CALL]),
    "half an end": (GOOD.removesuffix("ool_call>"), [GOOD.removesuffix("ool_call>")]),
    "a call that is cut": (GOOD[:30], [GOOD[:30]]),
    "a tag that is cut": ("a<tool_c", ["a<tool_c"]),
    "no JSON": ("<tool_call>f()</tool_call> ok", ["<tool_call>f()</tool_call> ok"]),
    "an unknown function": ('<tool_call>{"name": "h"}</tool_call>', ['<tool_call>{"name": "h"}</tool_call>']),
    "blanks after what is no call": (f"<tool_call></tool_call> {GOOD}", ["<tool_call></tool_call> ", CALL]),
    "an end without a beginning": (f"</tool_call>{GOOD}", ["</tool_call>", CALL]),
    "a beginning within": (f"<tool_call>{GOOD}", [f"<tool_call>{GOOD}"]),
    "almost a tag": (f"<<tool_call <tool_{GOOD}", ["<<tool_call <tool_", CALL]),
}


def scan(pieces: list[str]) -> list[str | tuple[str, str]]:
    """What a scanner finds, neighbouring texts joined."""
    scanner = TagScanner(NAMES, at_most=8)
    found = [each for piece in pieces for each in scanner.feed(piece)] + scanner.close()
    joined: list[str | tuple[str, str]] = []
    for each in found:
        if isinstance(each, str) and joined and isinstance(joined[-1], str):
            joined[-1] += each
        else:
            joined.append(each)
    assert scanner.calls == sum(isinstance(each, tuple) for each in joined)
    return joined


def cut(text: str, seed: int) -> list[str]:
    """The text in pieces of 1 to 6 characters."""
    dice = random.Random(seed)
    pieces = []
    while text:
        length = dice.randint(1, 6)
        pieces.append(text[:length])
        text = text[length:]
    return pieces


@pytest.mark.parametrize(("text", "expected"), SCANNED.values(), ids=SCANNED.keys())
def test_what_is_found_however_the_text_is_cut(text: str, expected: list[str | tuple[str, str]]) -> None:
    """Whole, character by character and at random cuts, the same text and calls are found."""
    assert scan([text]) == scan(list(text)) == expected
    for seed in range(20):
        assert scan(cut(text, seed)) == expected


TEXTS = st.lists(st.sampled_from(["<tool_call>", "</tool_call>", GOOD, " ", "a", "<", "{}", "\n"]), max_size=8).map(
    "".join
)


@given(text=TEXTS, seed=st.integers(0, 5))
def test_cuts_never_matter(text: str, seed: int) -> None:
    """For any text, where it is cut changes nothing, and no text but blanks around calls is lost."""
    found = scan([text])
    assert scan(list(text)) == scan(cut(text, seed)) == found
    said = "".join("".join(each if isinstance(each, str) else GOOD for each in found).split())
    assert said in ("".join(text.split()), "".join(text.split()) + "</tool_call>")


def test_calls_beyond_the_bound_are_left_out() -> None:
    """After the last call that may be made, text still comes through, and further calls do not."""
    for text in (f"a{GOOD}{GOOD} b", f"a{GOOD} b" + GOOD.removesuffix("</tool_call>")):
        scanner = TagScanner(NAMES, at_most=1)
        found = [each for letter in text for each in scanner.feed(letter)] + scanner.close()
        assert [each for each in found if isinstance(each, tuple)] == [CALL]
        assert "".join(each for each in found if isinstance(each, str)) == "a b"


def test_text_is_not_held_back() -> None:
    """Text that cannot be part of a tag is passed on at once; what may be one waits."""
    scanner = TagScanner(NAMES, at_most=8)
    assert scanner.feed("hello ") == ["hello "]
    assert scanner.feed("<tool") == []
    assert scanner.feed("s are good") == ["<tools are good"]


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ('{"name": "f", "arguments": {"a": [1, 2.5, null]}}', ("f", '{"a": [1, 2.5, null]}')),
        (' {"arguments": {}, "name": "g", "more": 1} ', ("g", "{}")),
        ('{"name": "f"}', ("f", "{}")),
        ('{"name": "h"}', None),
        ('{"name": ["f"]}', None),
        ('{"name": {}}', None),
        ('{"name": null}', None),
        ('{"arguments": {}}', None),
        ('{"name": "f", "arguments": "{}"}', None),
        ('{"name": "f", "arguments": []}', None),
        ('{"name": "f", "arguments": null}', None),
        ('{"name": "f", "arguments": {"a": NaN}}', None),
        ('{"name": "f", "arguments": {"a": 1e999}}', None),
        ('{"name": "f", "arguments": {"a": "\\ud800"}}', None),
        ('{"name": "f"', None),
        ("[]", None),
        ("", None),
        ('{"name": "f", "arguments": ' + '{"a":' * 100_000, None),
    ],
    ids=lambda value: str(value)[:45],
)
def test_a_call(text: str, call: tuple[str, str] | None) -> None:
    """A call is an object with the name of a known function and an object as arguments, and nothing else is."""
    assert read_call(text, NAMES) == call


LIST = (
    '{"tool_calls": [{"name": "f", "arguments": {"a": "]}"}}, {"name": "h"}, {"name": "g", "arguments": {"b": [{}]}}]}'
)


def test_a_list_of_calls_cut_anywhere() -> None:
    """Wherever the list is cut, exactly the calls that are whole are read, and unknown functions are not."""
    both = [("f", '{"a": "]}"}'), ("g", '{"b": [{}]}')]
    assert read_calls(LIST, NAMES) == both
    first, second = LIST.index("}}, ") + 2, LIST.rindex("}]}")
    for length in range(len(LIST)):
        expected = both[: (length >= first) + (length >= second + 1)]
        assert read_calls(LIST[:length], NAMES) == expected, LIST[:length]


@pytest.mark.parametrize("text", ["", "{}", "no", "[", "[5, {}]", '{"tool_calls": []}', "[" * 100_000])
def test_no_calls(text: str) -> None:
    """Text without calls has none."""
    assert read_calls(text, NAMES) == []


@given(arguments=st.dictionaries(st.text(max_size=3), st.text(max_size=3) | st.integers() | st.none(), max_size=3))
def test_arguments_come_through(arguments: dict[str, object]) -> None:
    """Arguments are JSON text again that says the same."""
    call = read_call(json.dumps({"name": "f", "arguments": arguments}), NAMES)
    assert call is None or json.loads(call[1]) == arguments
    assert call is not None or "\\ud" in json.dumps(arguments)
