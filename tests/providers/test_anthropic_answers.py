"""What Anthropic's answers become, whole and streamed, and what its errors mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Citation, FunctionCall, ReasoningDelta, ToolCall, Usage
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import ProviderBroken
from cloche.providers.anthropic import bind
from codec.cuts import bytewise, randomly, whole

SECRET = "sk-ant-0123456789"
ANTHROPIC = bind(ExternalModel("m", "anthropic", "llm/v1/chat", {"anthropic_api_key_plaintext": SECRET}))
USAGE = {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2}


def answer(*content: dict[str, Any], stop_reason: str | None = "end_turn", usage: Any = USAGE) -> bytes:
    """The body of a whole answer."""
    message = {"type": "message", "content": content, "stop_reason": stop_reason, "usage": usage}
    return json.dumps(message, separators=(",", ":")).encode()


def event(kind: str, **fields: Any) -> bytes:
    """One event of a stream."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def stream(*content: dict[str, Any], stop_reason: str = "end_turn", usage: Any = USAGE, size: int = 3) -> bytes:
    """The stream of the same answer; texts come in pieces of `size` characters."""
    first = None if usage is None else {**usage, "output_tokens": 1}
    events = [event("message_start", message={"content": [], "stop_reason": None, "usage": first}), event("ping")]
    for index, block in enumerate(content):
        events.append(event("content_block_start", index=index, content_block=opening(block)))
        events += [event("content_block_delta", index=index, delta=delta) for delta in pieces(block, size)]
        events.append(event("content_block_stop", index=index))
    last = {} if usage is None else {"usage": {"output_tokens": usage["output_tokens"]}}
    events.append(event("message_delta", delta={"stop_reason": stop_reason}, **last))
    return b"".join([*events, event("message_stop")])


EMPTY: dict[str, Any] = {"text": "", "thinking": "", "signature": "", "input": {}, "citations": []}


def opening(block: dict[str, Any]) -> dict[str, Any]:
    """A block as a stream opens it."""
    return {name: EMPTY.get(name, value) for name, value in block.items()}


def pieces(block: dict[str, Any], size: int) -> list[dict[str, Any]]:
    """The deltas of a block."""
    found: list[dict[str, Any]] = [
        {"type": "citations_delta", "citation": cited} for cited in block.get("citations") or ()
    ]
    if block["type"] in ("text", "thinking"):
        text = block[block["type"]]
        for at in range(0, len(text), size):
            found.append({"type": f"{block['type']}_delta", block["type"]: text[at : at + size]})
    if block.get("signature"):
        found.append({"type": "signature_delta", "signature": block["signature"]})
    if block["type"] in ("tool_use", "server_tool_use") and block["input"]:
        text = json.dumps(block["input"], separators=(",", ":"))
        found.append({"type": "input_json_delta", "partial_json": ""})
        for at in range(0, len(text), size):
            found.append({"type": "input_json_delta", "partial_json": text[at : at + size]})
    return found


def assembled(parts: list[bytes]) -> ChatResponse:
    """The answer that a stream gives."""
    decoder, assembly = ANTHROPIC.decoder(), Assembly()
    for chunk in [*(chunk for part in parts for chunk in decoder.feed(part)), *decoder.close()]:
        assembly.add(chunk)
    return assembly.response()


THINKING = {"type": "thinking", "thinking": "hm, so", "signature": "sig"}
SECRET_THOUGHT = {"type": "redacted_thinking", "data": "x"}
TEXT = {"type": "text", "text": "It is é."}
SEARCH = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}
BARE = {"type": "tool_use", "id": "t2", "name": "g", "input": {}}


def test_an_answer_with_everything() -> None:
    """Texts join, calls and reasoning are counted apart, and what the provider ran itself is kept as it came."""
    response = ANTHROPIC.decode(answer(THINKING, SECRET_THOUGHT, TEXT, SEARCH, FOUND, TEXT, CALL, BARE))
    [choice] = response.choices
    assert choice.content == "It is é.It is é."
    assert choice.extras == [SEARCH, FOUND]
    assert choice.reasoning == [ReasoningDelta(0, "hm, so", "sig"), ReasoningDelta(1, "", "x", redacted=True)]
    assert choice.tool_calls == [
        ToolCall(id="t1", function=FunctionCall("f", '{"a":1}')),
        ToolCall(id="t2", function=FunctionCall("g", "{}")),
    ]
    assert response.usage == Usage(10, 7, cached_tokens=3, cache_write_tokens=2)


ON_THE_WEB = {"type": "web_search_result_location", "url": "https://a.test/", "title": "A", "cited_text": "é"}
IN_A_FILE = {"type": "char_location", "document_title": "facts.txt", "document_index": 0, "start_char_index": 4}


def test_citations() -> None:
    """A citation is of the whole text that bears it, wherever that stands in the answer, and loses nothing."""
    response = ANTHROPIC.decode(answer(TEXT, SEARCH, FOUND, {**TEXT, "citations": [ON_THE_WEB, IN_A_FILE]}, TEXT))
    assert response.choices[0].citations == [
        Citation(8, 16, "https://a.test/", "A", {"type": "web_search_result_location", "cited_text": "é"}),
        Citation(8, 16, None, "facts.txt", {"type": "char_location", "document_index": 0, "start_char_index": 4}),
    ]


def test_calls_of_a_stream() -> None:
    """A call's index counts calls alone, its id and name come once, and one without arguments has an empty object."""
    decoder = ANTHROPIC.decoder()
    deltas = [delta for chunk in decoder.feed(stream(TEXT, CALL, BARE, size=100)) for delta in chunk.tool_calls]
    assert [(delta.index, delta.id, delta.name, delta.arguments) for delta in deltas] == [
        (0, "t1", "f", ""),
        (0, None, None, '{"a":1}'),
        (1, "t2", "g", ""),
        (1, None, None, "{}"),
    ]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "length"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_finish_reasons(reason: str, finish: str) -> None:
    """Each reason has its one word, whole and streamed; one that is not known ended the answer all the same."""
    for response in (ANTHROPIC.decode(answer(TEXT, stop_reason=reason)), assembled([stream(TEXT, stop_reason=reason)])):
        assert response.choices[0].finish_reason == finish


def test_usage_is_never_made_up() -> None:
    """Without a count there is no usage, and without details there are none."""
    assert ANTHROPIC.decode(answer(TEXT, usage=None)).usage is None
    assert assembled([stream(TEXT, usage=None)]).usage is None
    assert ANTHROPIC.decode(answer(TEXT, usage={"input_tokens": 1, "output_tokens": 2})).usage == Usage(1, 2)
    details = {"input_tokens": 1, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}
    assert ANTHROPIC.decode(answer(TEXT, usage=details)).usage == Usage(1, 9, reasoning_tokens=4)


TEXTS = st.text(max_size=12)
BLOCKS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXTS),
    st.builds(lambda text, name: {"type": "thinking", "thinking": text, "signature": name}, TEXTS, TEXTS),
    st.builds(lambda data: {"type": "redacted_thinking", "data": data}, TEXTS),
    st.builds(
        lambda name, fields: {"type": "tool_use", "id": name, "name": name, "input": fields},
        TEXTS,
        st.dictionaries(TEXTS, TEXTS | st.integers(-5, 5), max_size=2),
    ),
    st.just(SEARCH),
    st.just(FOUND),
    st.builds(lambda text: {"type": "text", "text": text, "citations": [ON_THE_WEB, IN_A_FILE]}, TEXTS),
)


@given(st.lists(BLOCKS, max_size=5), st.integers(1, 7), st.integers(0, 50))
def test_a_stream_says_what_the_whole_answer_says(content: list[dict[str, Any]], size: int, seed: int) -> None:
    """Of any answer the assembled stream, in every cut, equals the whole."""
    raw = stream(*content, size=size)
    expected = ANTHROPIC.decode(answer(*content))
    for parts in (whole(raw), bytewise(raw), randomly(raw, seed)):
        assert assembled(parts) == expected


def test_a_cut_stream_is_broken() -> None:
    """Cut behind any byte before its last event is whole, a stream is no answer."""
    raw = stream(THINKING, TEXT, CALL)
    for place in range(raw.rindex(b"message_stop")):
        decoder = ANTHROPIC.decoder()
        assert all(chunk.finish_reason is None for chunk in decoder.feed(raw[:place]))
        with pytest.raises(ProviderBroken, match=r"cut off|cannot be read"):
            decoder.close()


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"content": 1}', b"\xff", answer(TEXT, stop_reason=None)])
def test_what_is_no_answer(body: bytes) -> None:
    """A 200 without an answer in it is the provider's fault."""
    with pytest.raises(ProviderBroken):
        ANTHROPIC.decode(body)


ERRORS = [
    ("invalid_request_error", 400, 400),
    ("authentication_error", 401, 500),
    ("billing_error", 402, 500),
    ("permission_error", 403, 500),
    ("not_found_error", 404, 404),
    ("request_too_large", 413, 400),
    ("rate_limit_error", 429, 429),
    ("api_error", 500, 502),
    ("timeout_error", 504, 504),
    ("overloaded_error", 529, 503),
    ("something_new", 500, 502),
]


@pytest.mark.parametrize(("kind", "status", "wanted"), ERRORS)
def test_errors(kind: str, status: int, wanted: int) -> None:
    """An error means the same as a status, in a stream and in an answer, and never shows the key."""
    error = {"type": kind, "message": f"no: {SECRET}"}
    body = json.dumps({"type": "error", "error": error}).encode()
    problems = [ANTHROPIC.error(status, {b"retry-after": b"7"}, body)]
    with pytest.raises(type(problems[0])) as caught:
        ANTHROPIC.decode(body)
    problems.append(caught.value)
    decoder = ANTHROPIC.decoder()
    decoder.feed(event("message_start", message={"usage": USAGE}))
    with pytest.raises(type(problems[0])) as caught:
        decoder.feed(event("error", error=error))
    problems.append(caught.value)
    assert {problem.status for problem in problems} == {wanted}
    assert all(SECRET not in problem.message for problem in problems)
    assert problems[0].retry_after == (7 if wanted in (429, 502, 503) else None)


def test_an_event_that_cannot_be_read() -> None:
    """An event that is no JSON, or has the wrong types, is the provider's fault; kinds that are new are not."""
    for data in (b"{", b'{"type": 1}', b'{"type": "content_block_delta", "delta": {"text": 1}}'):
        with pytest.raises(ProviderBroken, match="cannot be read"):
            ANTHROPIC.decoder().feed(b"data: " + data + b"\n\n")
    assert ANTHROPIC.decoder().feed(event("new_kind", index=0, delta={"type": "new_delta"})) == []
