"""Gemini's answers: text, reasoning, calls, ends, usage and errors, whole and in streams."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Choice, ReasoningDelta, Usage
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import ProviderBroken, ProviderUnavailable
from cloche.providers import gemini
from cloche.providers.gemini_answer import FINISH, signed_id, split_id
from codec.cuts import every_way, whole

Json = dict[str, Any]

BOUND = gemini.bind(ExternalModel("gemini-2.5-flash", "gemini", "llm/v1/chat", {"gemini_api_key_plaintext": "k"}))


def answer(*parts: Json, finish: str | None = "STOP", **more: Any) -> Json:
    """An answer of one candidate."""
    candidate: Json = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    return {"candidates": [candidate | ({"finishReason": finish} if finish else {})], "responseId": "r"} | more


def decoded(said: Json | list[Json]) -> ChatResponse:
    """A whole answer, read."""
    return BOUND.decode(json.dumps(said).encode())


def only(said: Json) -> Choice:
    """The only choice of a whole answer."""
    (choice,) = decoded(said).choices
    return choice


def events(*said: Json) -> bytes:
    """A stream."""
    return b"".join(b"data: " + json.dumps(each).encode() + b"\r\n\r\n" for each in said)


def streamed(pieces: list[bytes]) -> ChatResponse:
    """A stream, assembled."""
    decoder, assembly = BOUND.decoder(), Assembly()
    for piece in pieces:
        for chunk in decoder.feed(piece):
            assembly.add(chunk)
    for chunk in decoder.close():
        assembly.add(chunk)
    return assembly.response()


def call(name: str = "f", signature: str | None = None, **more: Any) -> Json:
    """A part that calls a function."""
    return {"functionCall": {"name": name} | more} | ({"thoughtSignature": signature} if signature else {})


# ---------------------------------------------------------------- ends


@pytest.mark.parametrize("reason", FINISH)
def test_every_reason_has_an_end(reason: str) -> None:
    """Each of the provider's reasons has its word, and those that are not `STOP` are not `stop`."""
    wanted = {"STOP": "stop", "MAX_TOKENS": "length"}.get(reason, "content_filter")
    assert only(answer({"text": "a"}, finish=reason)).finish_reason == wanted


def test_an_unknown_reason_is_neither_whole_nor_cut() -> None:
    """A reason that the provider adds one day does not become `stop`."""
    assert only(answer({"text": "a"}, finish="NEWS")).finish_reason == "content_filter"


def test_calls_end_an_answer_in_their_own_way() -> None:
    """An answer that calls has the clients' reason for it, unless it was cut or withheld."""
    assert only(answer(call())).finish_reason == "tool_calls"
    assert only(answer(call(), finish="UNEXPECTED_TOOL_CALL")).finish_reason == "tool_calls"
    assert only(answer(call(), finish="MAX_TOKENS")).finish_reason == "length"
    assert only(answer(call(), finish="SAFETY")).finish_reason == "content_filter"


def test_a_blocked_prompt_is_an_empty_answer_that_was_withheld() -> None:
    """It is the same in a stream, and its tokens are counted."""
    said = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    response = decoded(said)
    assert response.choices == [Choice(0, "", "content_filter")]
    assert response.usage == Usage(4, 0)
    assert streamed([events(said)]) == response


@pytest.mark.parametrize("said", [{}, {"candidates": []}, answer({"text": "a"}, finish=None)])
def test_an_answer_without_an_end_is_broken(said: Json) -> None:
    """An end is never made up."""
    with pytest.raises(ProviderBroken):
        decoded(said)
    with pytest.raises(ProviderBroken):
        streamed([events(said)])


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"<html>", b'{"candidates": 1}', b"\xff"])
def test_what_is_no_answer_is_broken(body: bytes) -> None:
    """Garbage is told as such."""
    with pytest.raises(ProviderBroken):
        BOUND.decode(body)
    with pytest.raises(ProviderBroken):
        streamed([b"data: " + body + b"\n\n"])


def test_an_error_in_a_stream_is_the_problem_that_it_says() -> None:
    """What came before it does not turn it into an end."""
    failed = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    with pytest.raises(ProviderUnavailable):
        streamed([events(answer({"text": "a"}, finish=None), failed)])
    with pytest.raises(ProviderUnavailable):
        decoded(failed)
    with pytest.raises(ProviderUnavailable):
        decoded([failed])


# ---------------------------------------------------------------- content


def test_reasoning_is_apart_from_text() -> None:
    """Thoughts of one run are one block; the signature that follows them is theirs."""
    choice = only(
        answer(
            {"text": "a", "thought": True},
            {"text": "b", "thought": True},
            {"text": "c", "thoughtSignature": "c2ln"},
            {"text": "d", "thought": True},
            {"text": "e"},
        )
    )
    assert choice.content == "ce"
    assert choice.reasoning == [ReasoningDelta(0, "ab", "c2ln"), ReasoningDelta(1, "d")]


def test_a_signature_without_reasoning_makes_no_parts() -> None:
    """A client that asked for no reasoning gets plain text."""
    choice = only(answer({"text": "a"}, {"text": "", "thoughtSignature": "c2ln"}))
    assert choice.content == "a"
    assert choice.reasoning == []


def test_what_the_provider_ran_itself_is_no_text() -> None:
    """Code and its results are not mixed into what the model says."""
    parts = ({"executableCode": {"code": "1"}}, {"codeExecutionResult": {"output": "1"}}, {"text": "one"})
    assert only(answer(*parts)).content == "one"


def test_calls_have_ids_of_their_own() -> None:
    """The provider's id is kept, one is made where there is none, and equal calls still differ."""
    choice = only(answer(call(id="x1"), call(args={"a": 1}), call(args={"a": 1})))
    assert [each.function.arguments for each in choice.tool_calls] == ["{}", '{"a":1}', '{"a":1}']
    ids = [each.id for each in choice.tool_calls]
    assert ids[0] == "x1"
    assert len(set(ids)) == 3
    assert all(each.startswith("call_") and len(each) == 29 for each in ids[1:])
    assert only(answer(call(), responseId="s")).tool_calls[0].id != only(answer(call())).tool_calls[0].id


@given(st.binary(min_size=1, max_size=400), st.sampled_from(["", "x1", "call_0"]))
def test_a_signature_comes_back_out_of_the_id(secret: bytes, call_id: str) -> None:
    """The id is made of letters that every provider takes, and gives back what went in."""
    signature = base64.b64encode(secret).decode()
    made = signed_id(call_id, signature)
    assert split_id(made) == (call_id, signature)
    assert made.replace("-", "").replace("_", "").isalnum()


def test_ids_that_hold_nothing_are_ids() -> None:
    """A foreign id, a call without a signature and a signature of absurd length leave the id as it is."""
    assert split_id("call_1") == ("call_1", None)
    assert signed_id("x", None) == "x"
    assert signed_id("x", "a" * 40_000) == "x"
    (made,) = only(answer(call(id="a_sig_b"))).tool_calls
    assert split_id(made.id)[1] is None


def test_several_candidates_are_several_choices() -> None:
    """Each candidate has its text and its end; the usage is counted once."""
    parts = [
        {"content": {"parts": [{"text": text}]}, "finishReason": "STOP", "index": i} for i, text in enumerate("ab")
    ]
    said = {"candidates": parts, "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}}
    response = decoded(said)
    assert [(choice.index, choice.content) for choice in response.choices] == [(0, "a"), (1, "b")]
    assert response.usage == Usage(1, 2)
    assert streamed([events(said)]) == response


def test_logprobs_are_token_records() -> None:
    """Chosen tokens with their alternatives, in OpenAI's shape."""
    token = {"token": "é", "logProbability": -0.5, "tokenId": 3}
    said = answer({"text": "é"})
    said["candidates"][0]["logprobsResult"] = {"chosenCandidates": [token], "topCandidates": [{"candidates": [token]}]}
    record = {"token": "é", "logprob": -0.5, "bytes": [195, 169]}
    assert only(said).logprobs == [record | {"top_logprobs": [record]}]


# ---------------------------------------------------------------- usage


def test_usage_counts_reasoning_as_completion() -> None:
    """Details are there only where the provider gave them."""
    counts = {
        "promptTokenCount": 5,
        "candidatesTokenCount": 2,
        "thoughtsTokenCount": 3,
        "cachedContentTokenCount": 4,
        "totalTokenCount": 10,
    }
    assert decoded(answer({"text": "a"}, usageMetadata=counts)).usage == Usage(5, 5, 4, 3)
    assert decoded(answer({"text": "a"}, usageMetadata={"promptTokenCount": 5})).usage == Usage(5, 0)


def test_usage_is_not_made_up() -> None:
    """Where the provider counted nothing there is no usage."""
    assert decoded(answer({"text": "a"})).usage is None
    assert decoded(answer({"text": "a"}, usageMetadata={"trafficType": "ON_DEMAND"})).usage is None


# ---------------------------------------------------------------- streams

PARTS = st.lists(
    st.one_of(
        st.builds(lambda text: {"text": text}, st.text(max_size=5)),
        st.builds(lambda text: {"text": text, "thought": True}, st.text(max_size=5)),
        st.just({"text": "", "thoughtSignature": "c2ln"}),
        st.builds(lambda n: call(args={"n": n}), st.integers(-9, 9)),
        st.just(call("g", "c2lnMg==", id="x")),
    ),
    max_size=6,
)


@given(PARTS, st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY"]), st.integers(0, 99))
def test_a_stream_is_the_whole_answer_in_pieces(parts: list[Json], finish: str, tokens: int) -> None:
    """An answer, part by part in a stream, is the same answer when it is put together."""
    usage = {"promptTokenCount": 3, "candidatesTokenCount": tokens}
    pieces = [answer(part, finish=None, usageMetadata={"trafficType": "t"}) for part in parts]
    stream = events(*pieces, answer({"text": ""}, finish=finish, usageMetadata=usage))
    assert streamed(whole(stream)) == decoded(answer(*parts, finish=finish, usageMetadata=usage))


def test_a_stream_is_the_same_however_it_is_cut() -> None:
    """No cut loses or doubles anything."""
    stream = events(
        answer({"text": "é", "thought": True}, finish=None),
        answer({"text": "ü"}, call(args={"ö": 1}, signature="c2ln"), finish=None),
        answer(usageMetadata={"promptTokenCount": 1, "candidatesTokenCount": 2}),
    )
    wanted = streamed(whole(stream))
    assert wanted.choices[0].finish_reason == "tool_calls"
    for name, pieces in every_way(stream):
        assert streamed(pieces) == wanted, name
