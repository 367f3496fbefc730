"""Events that differ in their text alone, counted without being looked into."""

from __future__ import annotations

import json

import pytest

from cloche.codec import sse
from cloche.wire import text_lengths

TEXTS = ["a", "", 'q"}]},"', "é\\", "\n\u2028", "data: [DONE]", '"content": "b"', "\U0001f600", "z" * 300]


@pytest.mark.parametrize("rest", ['"x": 1', '"x": "content"', '"model": "m\\"content\\": 5"', '"usage": null'])
def test_the_same_is_counted_whatever_the_cut(rest: str) -> None:
    """A stream has as many characters when its events come one by one, which is quick, as when they come in one piece,
    with others between them and whatever else stands in them."""
    choice = '{{"index": 0, "delta": {{"content": {}}}, "finish_reason": null}}'
    told = [f'{{{rest}, "choices": [{choice.format(json.dumps(text))}]}}' for text in TEXTS]
    told.insert(3, '{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": "12345"}}]}}]}')
    told.insert(6, '{"choices": [{"delta": {"content": "abc", "refusal": "de"}}]}')
    pieces = [sse.encode(each.encode()) for each in (*told, '{"choices": [], "usage": {}}', "[DONE]", "{broken")]
    expected = sum(map(len, TEXTS)) + 10
    assert text_lengths.of_events(pieces) == expected
    assert text_lengths.of_events([b"".join(pieces)]) == expected
