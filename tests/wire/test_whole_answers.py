"""A provider's whole answer, completed to what every client needs and otherwise left alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.domain.chat import Usage
from cloche.domain.errors import ProviderBroken
from cloche.wire.openai import Identity
from cloche.wire.passthrough import ProviderErrorInAnswer, complete_answer
from cloche.wire.usage import read_usage

WHO = Identity("chatcmpl-1", 1700000000, "model")
FULL: dict[str, Any] = {
    "id": "abc",
    "object": "chat.completion",
    "created": 5,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


def completed(**changes: Any) -> dict[str, Any]:
    """What becomes of the full answer with changes; `...` takes a field out."""
    answer = {name: value for name, value in {**FULL, **changes}.items() if value is not ...}
    read: dict[str, Any] = json.loads(complete_answer(json.dumps(answer).encode(), WHO).body)
    return read


def test_only_the_second_spelling_is_added() -> None:
    """An answer that has everything gets `finishReason` and is else the same, in the same order."""
    answer = completed(system_fingerprint="fp", seed=2**70)
    assert answer["choices"][0].pop("finishReason") == "stop"
    assert answer == {**FULL, "system_fingerprint": "fp", "seed": 2**70}
    assert list(answer) == [*FULL, "system_fingerprint", "seed"]


@pytest.mark.parametrize("field", ["id", "created", "model"])
@pytest.mark.parametrize("value", [..., None, [], 1.5])
def test_an_envelope_that_is_not_whole_is_made_whole(field: str, value: Any) -> None:
    """Missing, null and senseless envelope fields become those of the call."""
    assert completed(**{field: value})[field] == getattr(WHO, field)


@pytest.mark.parametrize("value", [..., None, "chat.completions", "text"])
def test_the_object_is_always_named_right(value: Any) -> None:
    """Providers misspell the object; the Databricks SDK knows only one name."""
    assert completed(object=value)["object"] == "chat.completion"


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"message": {"content": "a"}}, {"index": 1, "message": {"content": "a", "role": "assistant"}}),
        ({"index": None, "message": {"role": "assistant", "content": None}}, {"index": 1, "message": {"content": ""}}),
        ({"index": 7, "message": {}}, {"index": 7, "message": {"content": "", "role": "assistant"}}),
        ({"message": {"tool_calls": [{"id": "c"}]}}, {"message": {"content": None, "tool_calls": [{"id": "c"}]}}),
        ({"message": {"content": None, "refusal": "no"}}, {"message": {"content": "", "refusal": "no"}}),
        (
            {"message": {"content": [{"type": "text", "text": "a"}]}},
            {"message": {"content": [{"type": "text", "text": "a"}]}},
        ),
        ({"message": {"content": "a"}, "finish_reason": "weird"}, {"finish_reason": "weird", "finishReason": "weird"}),
    ],
)
def test_choices_are_made_whole(choice: dict[str, Any], expected: dict[str, Any]) -> None:
    """A choice has an index, a role and content; content is null only beside tool calls."""
    got = completed(choices=[FULL["choices"][0], choice])["choices"][1]
    for name, value in expected.items():
        assert got[name] == value if name != "message" else value.items() <= got[name].items()


@pytest.mark.parametrize("reason", [..., None])
def test_no_finish_reason_is_made_up(reason: Any) -> None:
    """A finish reason that the provider did not give is null, in both spellings."""
    choice = {"message": {"content": "a"}} | ({} if reason is ... else {"finish_reason": reason})
    got = completed(choices=[choice])["choices"][0]
    assert (got["finish_reason"], got["finishReason"]) == (None, None)


@pytest.mark.parametrize("usage", [..., None, {}, [], "x", {"prompt_tokens": "1"}])
def test_no_usage_is_made_up(usage: Any) -> None:
    """Usage that is not there, or makes no sense, counts as none."""
    answer = {name: value for name, value in {**FULL, "usage": usage}.items() if value is not ...}
    whole = complete_answer(json.dumps(answer).encode(), WHO)
    assert whole.usage is None
    assert json.loads(whole.body).get("usage") == answer.get("usage")


@pytest.mark.parametrize(
    ("fields", "usage"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2}, Usage(prompt_tokens=1, completion_tokens=2)),
        ({"prompt_tokens": 1}, Usage(prompt_tokens=1, completion_tokens=0)),
        (
            {
                "prompt_tokens": 1,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(prompt_tokens=1, completion_tokens=2, cached_tokens=1, reasoning_tokens=2),
        ),
        (
            {
                "prompt_tokens": 1,
                "completion_tokens": 2,
                "prompt_tokens_details": None,
                "completion_tokens_details": [],
            },
            Usage(prompt_tokens=1, completion_tokens=2),
        ),
        ({"prompt_tokens": None, "completion_tokens": 2}, None),
        ({"completion_tokens": 2}, None),
        (None, None),
    ],
)
def test_usage_is_read_as_the_provider_counted(fields: Any, usage: Usage | None) -> None:
    """Usage is what the provider says, with details where it gives them."""
    assert read_usage(fields) == usage


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b'{"choices": [',
        b"[]",
        b"null",
        b"{}",
        b'{"choices": []}',
        b'{"choices": null}',
        b'{"choices": {}}',
        b'{"choices": [null]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": "hi"}]}',
        b'{"choices": [{"message": {"content": "\xff"}}]}',
        b'{"choices": [{"message": {"content": "\\ud800"}}]}',
        b'{"choices": [{"message": {"content": 1e999}}]}',
        b'{"choices": [{"message": {"content": "a"}}], "seed": ' + b"1" * 5000 + b"}",
        b'{"choices": [{"message": {"content": "a"}}], "x": ' + b"[" * 100_000,
        b'{"error": null}',
    ],
    ids=lambda body: repr(body)[:60],
)
def test_what_is_no_answer_is_broken(body: bytes) -> None:
    """Whatever is no answer is the provider's fault, and never an exception of another kind."""
    with pytest.raises(ProviderBroken):
        complete_answer(body, WHO)


@pytest.mark.parametrize("choices", ["", ', "choices": []', ', "choices": null'])
def test_an_error_in_place_of_an_answer_is_told_apart(choices: str) -> None:
    """A 200 with an error inside gives the provider's own words, for the provider to classify."""
    body = ('{"error": {"message": "no", "code": 429}' + choices + "}").encode()
    with pytest.raises(ProviderErrorInAnswer) as caught:
        complete_answer(body, WHO)
    assert caught.value.body == body


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["choices", "message", "content", "usage", "index", "id", "error"]), inner)
    ),
    max_leaves=10,
)


@given(document=JSON)
def test_any_json_is_an_answer_or_a_fault_of_the_provider(document: Any) -> None:
    """Whatever JSON a provider sends, the client gets an answer with all its fields or an error."""
    try:
        answer = json.loads(complete_answer(json.dumps(document).encode(), WHO).body)
    except (ProviderBroken, ProviderErrorInAnswer):
        return
    assert all(isinstance(answer[name], kind) for name, kind in (("id", str), ("created", int), ("model", str)))
    assert all({"index", "message", "finish_reason", "finishReason"} <= choice.keys() for choice in answer["choices"])


@pytest.mark.parametrize(("given", "text"), [({"a": 1}, '{"a":1}'), (None, "{}"), (..., "{}"), ("[", "[")])
def test_arguments_are_a_text(given: Any, text: str) -> None:
    """Clients read a call's arguments as JSON in a text, also where a service gives the object or nothing."""
    function = {"name": "f"} | ({} if given is ... else {"arguments": given})
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": function}, None]}
    answer = completed(choices=[{"index": 0, "message": message, "finish_reason": "tool_calls"}])
    assert answer["choices"][0]["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": text}


def test_counts_that_are_floats() -> None:
    """Some services write counts as floats, and null for none."""
    assert read_usage({"prompt_tokens": 3.0, "completion_tokens": 2.0}) == Usage(3, 2)
    details = {"prompt_tokens_details": {"cached_tokens": 1.0}}
    assert read_usage({"prompt_tokens": 3, "completion_tokens": None, **details}) == Usage(3, 0, cached_tokens=1)
    assert read_usage({"prompt_tokens": None, "completion_tokens": 2}) is None
    told = completed(usage={"prompt_tokens": 3.0, "completion_tokens": 2.0, "cost": 0.5})["usage"]
    assert json.dumps(told) == '{"prompt_tokens": 3, "completion_tokens": 2, "cost": 0.5}'
