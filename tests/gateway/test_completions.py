"""Text completions through the gateway: passed through where the provider has them, asked for in a chat where not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.endpoint import COMPLETIONS_TASK, ExternalModel

from .scripted import STREAM_HEAD, Client, World

OPENAI = ExternalModel(
    "model-t", "openai", COMPLETIONS_TASK, {"openai_api_key_plaintext": "sk-secret", "openai_api_base": "http://t.test"}
)
ANTHROPIC = ExternalModel("claude-x", "anthropic", COMPLETIONS_TASK, {"anthropic_api_key_plaintext": "sk-ant-012345"})
AI21 = ExternalModel("jamba-x", "ai21labs", COMPLETIONS_TASK, {"ai21labs_api_key_plaintext": "ai-0123456789"})
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
ONE = {"index": 0, "text": " world", "finish_reason": "stop", "logprobs": None}
WHOLE = {"id": "cmpl-1", "object": "text_completion", "created": 5, "model": "m", "choices": [ONE], "usage": USAGE}
SAID = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": " world"}],
    "stop_reason": "max_tokens",
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


def world(model: ExternalModel, *, strict: bool = False) -> World:
    """A gateway whose endpoint `prose` has this model."""
    made = World()
    made.add("prose", model, strict=strict)
    return made


def ask(made: World, **fields: Any) -> Client:
    """The client of one call."""
    return made.ask("prose", raw=json.dumps(fields).encode())[1]


def event(**fields: Any) -> bytes:
    """An event as OpenAI sends it for a completion."""
    base = {"id": "cmpl-1", "object": "text_completion", "created": 5, "model": "m"}
    return b"data: " + json.dumps(base | fields).encode() + b"\n\n"


def piece(text: str, finish: str | None = None, index: int = 0) -> dict[str, Any]:
    """A choice of an event."""
    return {"index": index, "text": text, "finish_reason": finish, "logprobs": None}


def ai21_event(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> bytes:
    """An event of a chat."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "choices": [choice], **fields}).encode() + b"\n\n"


def test_a_whole_answer_passes_through() -> None:
    """The client's fields go on in its own bytes; the answer comes back with what every client needs."""
    made = world(OPENAI)
    client = ask(made, prompt="hello", model="x", echo=True, best_of=2, suffix="!", logprobs=1, max_tokens=5)
    asked = {"prompt": "hello", "echo": True, "best_of": 2, "suffix": "!", "logprobs": 1, "max_tokens": 5}
    assert made.last.body == {"model": "model-t", **asked}
    assert made.last.call.head.startswith(b"POST /completions HTTP/1.1\r\n")
    made.last.answer(json.dumps(WHOLE).encode())
    assert client.json == {**WHOLE, "choices": [{**ONE, "finishReason": "stop"}]}
    assert b"cloche-translation" not in client.headers
    assert (made.records[0].input_tokens, made.records[0].output_tokens) == (3, 2)
    assert made.idle


@pytest.mark.parametrize("separate", [False, True])
def test_a_stream_passes_through(separate: bool) -> None:
    """Events pass as they come; usage is with the one that finishes, or after it where the client wants that."""
    made = world(OPENAI)
    options = {"stream_options": {"include_usage": True}} if separate else {}
    client = ask(made, prompt="hello", stream=True, **options)
    assert made.last.body["stream_options"] == {"include_usage": True}
    made.last.head()
    for data in (event(choices=[piece(" wor")]), event(choices=[piece("ld", "stop")])):
        made.last.receiver.on_data(data)
    made.last.receiver.on_data(event(choices=[], usage=USAGE) + b"data: [DONE]\n\n")
    made.last.receiver.on_end()
    *pieces, end = client.events
    assert end == "[DONE]"
    assert "".join(choice["text"] for each in pieces for choice in each["choices"]) == " world"
    finishing = pieces[1]
    assert finishing["choices"][0]["finishReason"] == "stop"
    assert ("usage" in finishing) is not separate
    assert pieces[-1]["usage"] == USAGE
    assert made.records[0].output_tokens == 2


def test_several_prompts_have_as_many_choices() -> None:
    """A stream is complete when each prompt has its `n` choices, and not before."""
    made = world(OPENAI)
    client = ask(made, prompt=["a", "b"], n=2, stream=True)
    made.last.head()
    made.last.receiver.on_data(b"".join(event(choices=[piece("x", "stop", index)]) for index in range(3)))
    made.last.receiver.on_end()
    assert client.events[-2]["error_code"]
    assert made.records[0].outcome == "error"
    client = ask(made, prompt=[[1, 2], [3]], n=2, stream=True)
    made.last.head()
    made.last.receiver.on_data(b"".join(event(choices=[piece("x", "stop", index)]) for index in range(4)))
    made.last.receiver.on_end()
    assert client.events[-1] == "[DONE]"
    assert made.records[1].outcome == "ok"


def test_a_chat_is_asked_where_there_are_no_completions() -> None:
    """The prompt becomes the chat's one message, and the answer a completion; the head says so."""
    made = world(ANTHROPIC)
    client = ask(made, prompt="hello", max_tokens=5, stop="x", usage_context={"a": "b"}, client_request_id="r")
    body = made.last.body
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert "hello" in json.dumps(body["messages"])
    assert (body["max_tokens"], body["stop_sequences"]) == (5, ["x"])
    assert not {"prompt", "usage_context", "client_request_id"} & body.keys()
    made.last.answer(json.dumps(SAID).encode())
    answer = client.json
    assert (answer["object"], answer["model"], answer["id"][:5]) == ("text_completion", "claude-x", "cmpl-")
    assert answer["choices"] == [{**ONE, "finish_reason": "length", "finishReason": "length"}]
    assert answer["usage"].items() >= USAGE.items()
    assert b"emulated=prompt;" in client.headers
    assert made.records[0].client_request_id == "r"


@pytest.mark.parametrize("field", [{"echo": True}, {"suffix": "x"}, {"best_of": 2}, {"logprobs": 1}])
def test_what_a_chat_does_not_have_is_told(field: dict[str, Any]) -> None:
    """A field that only completions have is dropped with a note, and refused where nothing may be lost."""
    [name] = field
    made = world(ANTHROPIC)
    client = ask(made, prompt="hello", **field)
    assert name not in made.last.body
    made.last.answer(json.dumps(SAID).encode())
    assert f"dropped={name}".encode() in client.headers
    made = world(ANTHROPIC, strict=True)
    client = ask(made, prompt="hello", **field)
    assert (client.status, client.json["message"].partition(":")[0]) == (400, name)
    assert not made.calls
    client = ask(made, prompt="hello", echo=False)
    assert made.calls


@pytest.mark.parametrize("prompt", [["a", "b"], [1, 2], [[1, 2]], "", [""]])
def test_a_chat_takes_one_text(prompt: Any) -> None:
    """Several prompts, none, and tokens, which mean nothing to another model, are refused; OpenAI is asked."""
    made = world(OPENAI)
    ask(made, prompt=prompt, max_tokens=0, echo=True)
    assert (made.last.body["prompt"], made.last.body["max_tokens"]) == (prompt, 0)
    made = world(ANTHROPIC)
    assert ask(made, prompt="a", max_tokens=0).json["message"].startswith("max_tokens: ")
    client = ask(made, prompt=prompt)
    assert (client.status, client.json["message"].partition(":")[0]) == (400, "prompt")
    assert not made.calls
    ask(made, prompt=["a"])
    assert made.calls


def test_n_is_fanned_out() -> None:
    """A provider of one choice is asked once for each, and the prompt is counted once."""
    made = world(ANTHROPIC)
    client = ask(made, prompt="hello", n=2)
    for _ in range(2):
        made.last.answer(json.dumps(SAID).encode())
    assert [choice["index"] for choice in client.json["choices"]] == [0, 1]
    assert client.json["usage"].items() >= {"prompt_tokens": 3, "completion_tokens": 4}.items()
    assert b"emulated=n,prompt" in client.headers or b"emulated=prompt,n" in client.headers


def test_ai21_is_asked_in_a_chat() -> None:
    """AI21 has chats alone: the call is one, without `n`, and the answer is read and not passed through."""
    made = world(AI21)
    client = ask(made, prompt="hello", n=2, max_tokens=5, extra_params={"top_k": "3"})
    chat = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 5, "top_k": 3}
    assert made.last.body == {"model": "jamba-x", **chat}
    choice = {"index": 0, "message": {"role": "assistant", "content": " world"}, "finish_reason": "length"}
    for _ in range(2):
        made.last.answer(json.dumps({"id": "c", "choices": [choice], "usage": USAGE}).encode())
    assert [each["text"] for each in client.json["choices"]] == [" world", " world"]
    assert client.json["choices"][1]["finish_reason"] == "length"
    assert client.json["usage"].items() >= {"prompt_tokens": 3, "completion_tokens": 4}.items()
    assert b"passed=max_tokens,top_k" in client.headers


@pytest.mark.parametrize("cut", [False, True])
def test_a_chats_stream_becomes_a_completions(cut: bool) -> None:
    """The events are completions, none of them says who speaks, and one that is cut is an error."""
    made = world(AI21)
    client = ask(made, prompt="hello", stream=True)
    made.last.head()
    made.last.receiver.on_data(ai21_event({"role": "assistant", "content": ""}) + ai21_event({"content": " wor"}))
    made.last.receiver.on_data(ai21_event({"content": "ld"}))
    if not cut:
        made.last.receiver.on_data(ai21_event({"content": ""}, "stop", usage=USAGE) + b"data: [DONE]\n\n")
    made.last.receiver.on_end()
    if cut:
        assert client.events[-2]["error"]["message"]
        assert made.records[0].outcome == "error"
        return
    *events, end = client.events
    assert end == "[DONE]"
    assert {each["object"] for each in events} == {"text_completion"}
    assert "".join(choice["text"] for each in events for choice in each["choices"]) == " world"
    assert not any("delta" in choice for each in events for choice in each["choices"])
    assert events[-1]["choices"][0]["finishReason"] == "stop"
    assert events[-1]["usage"].items() >= USAGE.items()


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC, AI21], ids=lambda model: model.provider)
@pytest.mark.parametrize("stream", [False, True])
def test_refusals_and_leaving(model: ExternalModel, stream: bool) -> None:
    """A refusal is an HTTP error whichever way the provider is asked, and a client that leaves frees it."""
    made = world(model)
    client = ask(made, prompt="hello", stream=stream)
    made.last.answer(b'{"error":{"message":"slow down"},"message":"slow down"}', 429, {b"retry-after": b"3"})
    assert client.status == 429
    assert "slow down" in client.json["message"]
    assert b"retry-after: 3\r\n" in client.headers
    call, _ = made.ask("prose", raw=json.dumps({"prompt": "hello", "stream": stream}).encode())
    call.hang_up()
    assert made.last.cancelled == 1
    assert made.idle


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (event(choices=[piece(" wor")]), "ended before the answer was finished"),
        (event(choices=[piece(" wor")]) + b'data: {"error":{"message":"broke down","code":503}}\n\n', "broke down"),
    ],
)
def test_a_stream_that_breaks(data: bytes, says: str) -> None:
    """What came before stands, then an error event says what is wrong."""
    made = world(OPENAI)
    client = ask(made, prompt="hello", stream=True)
    made.last.receiver.on_head(200, dict(STREAM_HEAD))
    made.last.receiver.on_data(data)
    made.last.receiver.on_end()
    first, error, end = client.events
    assert first["choices"][0]["text"] == " wor"
    assert says in error["message"]
    assert end == "[DONE]"
    assert made.idle


def test_a_whole_answer_to_a_stream_is_named() -> None:
    """A completion that comes whole where a stream was asked for is told apart from nonsense."""
    for body, says in ((WHOLE, "with a whole answer"), ({"x": 1}, "no stream")):
        made = world(OPENAI)
        client = ask(made, prompt="hello", stream=True)
        made.last.answer(json.dumps(body).encode())
        assert client.status == 502
        assert says in client.json["message"]


@pytest.mark.parametrize(
    "body", [{"choices": [{"message": {"content": "x"}}]}, {"choices": []}, {"choices": [{"text": None}]}, {"x": 1}]
)
def test_what_is_no_completion(body: Any) -> None:
    """An answer of another shape is the provider's fault, and named as such."""
    made = world(OPENAI)
    client = ask(made, prompt="hello")
    made.last.answer(json.dumps(body).encode())
    assert client.status == 502


def test_tasks_are_told_apart() -> None:
    """A call for what an endpoint does not do says what it does, and where; a chat that goes to the path of
    completions, as one client sends it, is a chat."""
    made = world(OPENAI)
    chat = json.dumps({"model": "prose", "messages": [{"role": "user", "content": "hi"}]}).encode()
    text = json.dumps({"model": "chat", "prompt": "hello"}).encode()
    _, client = made.ask(None, raw=chat)
    assert client.status == 400
    assert "/serving-endpoints/completions" in client.json["message"]
    _, client = made.ask(None, raw=text, task=COMPLETIONS_TASK)
    assert client.status == 400
    assert "/serving-endpoints/chat/completions" in client.json["message"]
    _, client = made.ask(None, raw=chat.replace(b"prose", b"chat"), task=COMPLETIONS_TASK)
    assert made.last.body["messages"]
    _, client = made.ask("prose", raw=chat)
    assert client.json["message"] == 'messages: a completions endpoint takes "prompt": "…"'
    _, client = made.ask("chat", raw=text)
    assert 'A chat endpoint takes "messages"' in client.json["message"]
