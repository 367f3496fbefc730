"""`extra_params`, the Databricks SDK's map of strings: merged into the request as if its entries stood at top level."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.domain.errors import BadRequest
from cloche.wire.openai import read_chat

BASE = {"messages": [{"role": "user", "content": "hi"}]}


def merged(extra: Any, **fields: Any) -> dict[str, Any]:
    """The top-level fields of a request with `extra_params`, without its messages."""
    read = read_chat(json.dumps({**BASE, **fields, "extra_params": extra}).encode())
    return {name: json.loads(bytes(value)) for name, value in read.fields.items() if name != "messages"}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"top_p": "0.5"}, {"top_p": 0.5}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"stream": "true", "n": "2"}, {"stream": True, "n": 2}),
        ({"stop": '["a"]'}, {"stop": '["a"]'}),
        ({"stop": ["a"]}, {"stop": ["a"]}),
        ({"response_format": '{"type": "json_object"}'}, {"response_format": {"type": "json_object"}}),
        ({"user": "123", "reasoning_effort": "low"}, {"user": "123", "reasoning_effort": "low"}),
        ({"anything": "plain text"}, {"anything": "plain text"}),
        ({"anything": "007"}, {"anything": "007"}),
        ({"anything": "NaN"}, {"anything": "NaN"}),
        ({"anything": "[" * 100_000}, {"anything": "[" * 100_000}),
        ({"anything": '"quoted"'}, {"anything": "quoted"}),
        ({"anything": ""}, {"anything": ""}),
        ({"anything": "é\n"}, {"anything": "é\n"}),
        ({"anything": None, "more": [1, {"a": 10**30}]}, {"anything": None, "more": [1, {"a": 10**30}]}),
        ({"anything": str(10**30)}, {"anything": 10**30}),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_entries_stand_at_top_level(extra: dict[str, Any], expected: dict[str, Any]) -> None:
    """A string is read as JSON where it is JSON and the field is not text; everything else stays as it is."""
    assert merged(extra) == expected


def test_an_empty_map_says_nothing() -> None:
    """An empty map and null change nothing."""
    nothing: tuple[Any, ...] = ({}, None)
    for extra in nothing:
        assert read_chat(json.dumps({**BASE, "extra_params": extra}).encode()).params.top_p is None


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"top_p": "2"}, "top_p: expected float <= 1.0"),
        ({"top_p": "much"}, "top_p: expected float | null, got str"),
        ({"model": 5}, "model: expected str | null, got int"),
        ({"temperature": "0.5"}, "extra_params.temperature: the field is given at top level too"),
        ({"messages": "[]"}, "extra_params.messages: the field is given at top level too"),
        ({"extra_params": {}}, "extra_params.extra_params: the field is given at top level too"),
        ({"inputs": "x"}, 'Bad request: json: unknown field "inputs"'),
        ({"metadata": '{"a": 1, "a": 2}'}, "metadata.a: the field is given twice"),
        ({"anything": "1e999"}, None),
    ],
    ids=repr,
)
def test_merged_fields_are_checked_like_all_others(extra: dict[str, Any], message: str | None) -> None:
    """What is merged obeys the rules of its field, and nothing is overwritten."""
    if message is None:
        assert merged(extra, temperature=1)["anything"] == "1e999"
        return
    with pytest.raises(BadRequest) as caught:
        merged(extra, temperature=1)
    assert caught.value.message.startswith(message)


@given(
    value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))
)
def test_json_in_a_string_is_the_same_as_json(value: Any) -> None:
    """A value and its JSON text in a string mean the same."""
    try:
        expected = merged({"x": [value]})["x"]
    except BadRequest:
        return
    assert merged({"x": json.dumps([value])})["x"] == expected
