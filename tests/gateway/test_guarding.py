"""Guardrails around a call: what is asked and answered passes them, however it comes, and nothing else changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from cloche.codec import sse
from cloche.domain.ai_gateway import AiGateway, GuardrailParameters, Guardrails, Pii
from cloche.domain.endpoint import ExternalModel
from cloche.gateway.call import Call
from cloche.gateway.pipeline import Ask
from cloche.guardrails.guard import guards_of

from .scripted import TOKEN, Client, World

MASK, BLOCK = GuardrailParameters(pii=Pii("MASK")), GuardrailParameters(pii=Pii("BLOCK"))
WORDS = GuardrailParameters(invalid_keywords=["secret plan"])
CARD, EMAIL = "4111 1111 1111 1111", "bob@example.com"
SAID = f"Write to {EMAIL}, pay with {CARD} or call +1 415 555 2671 today."
MASKED = "Write to <EMAIL_ADDRESS>, pay with <CREDIT_CARD> or call <PHONE_NUMBER> today."
ARGUMENTS = json.dumps({"to": [EMAIL, "x"], "card": 4111111111111111, "n": 2, "note": f"so\n{EMAIL}"})
MASKED_ARGUMENTS = {"to": ["<EMAIL_ADDRESS>", "x"], "card": "<CREDIT_CARD>", "n": 2, "note": "so\n<EMAIL_ADDRESS>"}


def ruled(endpoint: str = "chat", **sides: GuardrailParameters) -> World:
    """A world whose endpoint has guardrails."""
    world = World()
    return guarded(world, endpoint, **sides)


def guarded(world: World, endpoint: str, **sides: GuardrailParameters) -> World:
    """The same world, with guardrails on an endpoint of it."""
    rules = AiGateway(guardrails=Guardrails(sides.get("input"), sides.get("output")))
    snapshot = world.snapshot.current()
    ruled = structs.replace(snapshot.endpoints[endpoint], rules=rules, guards=guards_of(rules.guardrails))
    world.snapshot.swap(structs.replace(snapshot, endpoints={**snapshot.endpoints, endpoint: ruled}))
    return world


def user(content: Any, **more: Any) -> dict[str, Any]:
    """A message."""
    return {"role": "user", "content": content, **more}


def stream(*events: dict[str, Any], done: bool = True) -> bytes:
    """The bytes of a provider's stream."""
    payloads = [json.dumps({"id": "1", "object": "chat.completion.chunk", **event}).encode() for event in events]
    return sse.encode_all([*payloads, *([sse.DONE] if done else [])])


def delta(_reason: str | None = None, **said: Any) -> dict[str, Any]:
    """An event with one choice."""
    return {"choices": [{"index": 0, "delta": said, "finish_reason": _reason}]}


def deltas(client: Client) -> list[dict[str, Any]]:
    """What a streamed answer's events say."""
    chosen = [each for event in client.events if isinstance(event, dict) for each in event.get("choices", [])]
    return [choice["delta"] for choice in chosen]


def said(client: Client, name: str = "content") -> str:
    """One text of a streamed answer."""
    return "".join(each.get(name) or "" for each in deltas(client))


# ---------------------------------------------------------------- what is asked


def test_what_is_asked_is_masked() -> None:
    """Every text of every message, and nothing else: what cloche does not know goes on as it came."""
    world = ruled(input=MASK)
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA4111111111111111"}}
    call = {"id": "c", "type": "function", "function": {"name": "pay", "arguments": ARGUMENTS}}
    messages = [
        {"role": "system", "content": "Be kind.", "own": {"deep": [EMAIL, 1.5]}},
        user([{"type": "text", "text": SAID, "mark": 7}, picture]),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": SAID},
    ]
    _, client = world.ask(messages=messages, temperature=0.5, own_field={"a": EMAIL}, user=EMAIL)
    sent = world.last.body
    assert sent["own_field"] == {"a": EMAIL}
    assert (sent["temperature"], sent["user"]) == (0.5, EMAIL)
    assert sent["messages"][0] == {"role": "system", "content": "Be kind.", "own": {"deep": ["<EMAIL_ADDRESS>", 1.5]}}
    assert sent["messages"][1]["content"] == [{"type": "text", "text": MASKED, "mark": 7}, picture]
    assert json.loads(sent["messages"][2]["tool_calls"][0]["function"]["arguments"]) == MASKED_ARGUMENTS
    assert sent["messages"][3] == {"role": "tool", "tool_call_id": "c", "content": MASKED}
    world.last.answer(b'{"choices":[{"message":{"content":"bob@example.com"},"finish_reason":"stop"}]}')
    assert client.json["choices"][0]["message"]["content"] == EMAIL


def test_what_is_clean_goes_on_in_its_own_bytes() -> None:
    """Also the order of its keys, its spaces and its escapes."""
    world = ruled(input=MASK)
    raw = b'{"messages": [ {"content":"h\\u0069", "role":"user"} ], "x":1.10}'
    world.ask(raw=raw)
    assert b'[ {"content":"h\\u0069", "role":"user"} ]' in b"".join(bytes(piece) for piece in world.last.call.body)


def test_a_provider_with_its_own_dialect_gets_it_masked() -> None:
    """Masking reaches what providers read besides the client's bytes."""
    world = World()
    settings = {"anthropic_api_key_plaintext": "sk"}
    world.add("claude", ExternalModel("claude-sonnet-4-5", "anthropic", "llm/v1/chat", settings))
    guarded(world, "claude", input=MASK)
    world.ask("claude", messages=[user(SAID)], max_tokens=9)
    assert MASKED in json.dumps(world.last.body)
    assert EMAIL not in json.dumps(world.last.body)


@pytest.mark.parametrize(
    ("rules", "text", "flagged"), [(BLOCK, SAID, False), (WORDS, "the Secret  plan".replace("  ", " "), True)]
)
def test_what_may_not_be_asked_is_a_400(rules: GuardrailParameters, text: str, flagged: bool) -> None:
    """In the words of Databricks, with what was asked only masked; nobody is asked, and the log holds none of it."""
    world = ruled(input=rules)
    _, client = world.ask(messages=[user([{"type": "text", "text": text}])], stream=True)
    assert (client.status, client.json["error_code"], world.calls) == (400, "BAD_REQUEST", [])
    told = json.loads(client.json["message"])
    assert told["usage"] == {"prompt_tokens": 0, "total_tokens": 0}
    assert told["finishReason"] == "input_guardrail_triggered"
    [verdict] = told["input_guardrail"]
    assert list(verdict) == ["flagged", "categories", "category_scores", "pii_detection", "anonymized_input"]
    assert (verdict["flagged"], verdict["pii_detection"]) == (flagged, not flagged)
    assert verdict["anonymized_input"] == [user(text if flagged else MASKED)]
    record = world.records[-1]
    assert (record.status, record.error_code, record.input_tokens) == (400, "BAD_REQUEST", None)
    assert EMAIL not in repr(record)
    assert record.detail == f"input guardrail triggered: {'invalid_keywords' if flagged else 'pii'}"


def on_filtering_path(world: World, **fields: Any) -> Client:
    """A call on a path of the newer gateway."""
    client = Client()
    path = "/ai-gateway/mlflow/v1/chat/completions"
    ask = Ask(path, None, None, {b"authorization": b"Bearer " + TOKEN.encode()})
    call: Call = world.gateway.open(ask, client)
    world.gateway.answer(call, ask, json.dumps({"model": "chat", "messages": [user("hi")], **fields}).encode())
    return client


@pytest.mark.parametrize("streams", [False, True])
def test_on_newer_paths_a_block_is_a_filtered_answer(streams: bool) -> None:
    """200, an empty text and `content_filter`, whichever side is blocked; the record has the error all the same."""
    world = ruled(input=BLOCK)
    asked = on_filtering_path(world, messages=[user(SAID)], stream=streams)
    assert (world.calls, world.records[-1].error_code, world.records[-1].input_tokens) == ([], "BAD_REQUEST", 0)
    answered = on_filtering_path(guarded(world, "chat", output=BLOCK), stream=streams)
    if streams:
        world.last.head()
        world.last.receiver.on_data(stream(delta(content=SAID), done=False))
    else:
        world.last.answer(json.dumps({"choices": [{"message": {"content": SAID}, "finish_reason": "stop"}]}).encode())
    for client in (asked, answered):
        assert (client.status, client.over) == (200, True)
        choice = (client.events[-2] if streams else client.json)["choices"][0]
        assert choice["finish_reason"] == choice["finishReason"] == "content_filter"
        assert EMAIL not in client.body.decode()
    assert world.records[-1].error_code == "BAD_REQUEST"
    assert world.idle


# ---------------------------------------------------------------- what is answered


def answer(**message: Any) -> bytes:
    """A provider's whole answer."""
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": "stop",
        "own": 1,
        "logprobs": {"content": [{"token": "x"}]},
    }
    return json.dumps({"id": "a", "own": {"b": 2}, "choices": [choice], "usage": {"prompt_tokens": 3}}).encode()


def test_a_whole_answer_is_masked() -> None:
    """Text, reasoning, refusal, arguments and what cloche does not know; all else stays; token records go."""
    call = {"id": "c", "type": "function", "function": {"name": "pay", "arguments": ARGUMENTS}}
    world = ruled(output=MASK)
    _, client = world.ask()
    reasoning = [{"type": "reasoning", "summary": [{"type": "summary_text", "text": SAID, "signature": EMAIL}]}]
    parts = [*reasoning, {"type": "text", "text": SAID}]
    world.last.answer(answer(content=parts, refusal=SAID, reasoning_content=SAID, tool_calls=[call], other=SAID))
    [choice] = client.json["choices"]
    message = choice["message"]
    assert message["content"][0]["summary"] == [{"type": "summary_text", "text": MASKED, "signature": EMAIL}]
    assert message["content"][1]["text"] == message["refusal"] == message["reasoning_content"] == MASKED
    assert message["other"] == MASKED
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == MASKED_ARGUMENTS
    assert (client.json["own"], choice["own"], choice["logprobs"]) == ({"b": 2}, 1, None)
    assert world.records[-1].input_tokens == 3


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 200])
@pytest.mark.parametrize("kind", ["content", "reasoning_content", "refusal"])
def test_a_streamed_answer_is_masked_as_a_whole_one(size: int, kind: str) -> None:
    """However it is cut, and with its usage, its finish reason and its end."""
    world = ruled(output=MASK)
    _, client = world.ask(stream=True)
    pieces = [delta(**{kind: SAID[at : at + size]}) for at in range(0, len(SAID), size)]
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    world.last.head()
    world.last.receiver.on_data(
        stream(delta(role="assistant", content=""), *pieces, delta("stop"), {"choices": [], "usage": usage})
    )
    assert client.over
    assert said(client, kind) == MASKED
    assert client.events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert client.events[-1] == "[DONE]"
    assert client.events[-2]["usage"] == usage
    assert client.events[-2]["choices"][0]["finishReason"] == "stop"
    assert [each for each in deltas(client)[1:-1] if not each[kind]] == []
    assert world.records[-1].output_tokens == 5


def test_texts_keep_their_order() -> None:
    """What is held back of the reasoning goes out before the answer begins, and arguments before the end."""
    world = ruled(output=MASK)
    _, client = world.ask(stream=True)
    cut = len(ARGUMENTS) // 2
    first = {"index": 0, "id": "c", "type": "function", "function": {"name": "pay", "arguments": ARGUMENTS[:cut]}}
    second = {"index": 0, "function": {"arguments": ARGUMENTS[cut:]}}
    events = [
        delta(reasoning_content="Think of bob@exam"),
        delta(reasoning_content="ple.com"),
        delta(content="Call bob"),
        delta(tool_calls=[first]),
        delta(tool_calls=[second]),
        delta("tool_calls"),
    ]
    world.last.head()
    world.last.receiver.on_data(stream(*events))
    told = deltas(client)
    assert [next(iter(each), "") for each in told][:4] == [
        "reasoning_content",
        "reasoning_content",
        "content",
        "content",
    ]
    assert said(client, "reasoning_content") == "Think of <EMAIL_ADDRESS>"
    assert said(client) == "Call bob"
    calls = [each["tool_calls"][0] for each in told if "tool_calls" in each]
    assert calls[0]["function"] == {"name": "pay", "arguments": ""}
    assert json.loads("".join(each["function"]["arguments"] for each in calls)) == MASKED_ARGUMENTS
    assert client.events[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_an_event_that_says_all_at_once() -> None:
    """A text, a call and the end in one event come out as they went in, masked."""
    world = ruled(output=MASK)
    _, client = world.ask(stream=True)
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "pay", "arguments": ARGUMENTS}}
    world.last.head()
    world.last.receiver.on_data(stream(delta("tool_calls", content=SAID, tool_calls=[call])))
    [told] = deltas(client)
    assert told["content"] == MASKED
    assert told["tool_calls"][0]["id"] == "c"
    assert json.loads(told["tool_calls"][0]["function"]["arguments"]) == MASKED_ARGUMENTS


def test_choices_do_not_mix() -> None:
    """Each of two answers at once has texts of its own."""
    world = ruled(output=MASK)
    _, client = world.ask(stream=True, n=2)
    halves = [(0, "bob@exa"), (1, "4111 1111 "), (0, "mple.com"), (1, "1111 1111")]
    events = [{"choices": [{"index": at, "delta": {"content": text}, "finish_reason": None}]} for at, text in halves]
    ends: list[dict[str, Any]] = [{"choices": [{"index": at, "delta": {}, "finish_reason": "stop"}]} for at in (0, 1)]
    world.last.head()
    world.last.receiver.on_data(stream(*events, *ends))
    chosen = [each for event in client.events[:-1] for each in event["choices"]]
    texts = ["".join(each["delta"].get("content", "") for each in chosen if each["index"] == at) for at in (0, 1)]
    assert texts == ["<EMAIL_ADDRESS>", "<CREDIT_CARD>"]


def test_a_blocked_answer_is_a_400() -> None:
    """Whole, and on a stream as long as nothing was sent; the answer is not told."""
    for streams in (False, True):
        world = ruled(output=BLOCK)
        _, client = world.ask(stream=streams)
        if streams:
            world.last.head()
            world.last.receiver.on_data(stream(delta(content="bob@example.com and"), done=False))
            assert world.last.cancelled == 1
        else:
            world.last.answer(answer(content=SAID))
        assert (client.status, client.over, client.begun) == (400, True, 0)
        told = json.loads(client.json["message"])
        assert told["finishReason"] == "output_guardrail_triggered"
        assert told["output_guardrail"][0]["pii_detection"]
        assert EMAIL not in client.body.decode()
        assert len(world.records) == 1
        assert (world.records[0].status, world.records[0].outcome) == (400, "error")
        assert world.idle


def test_a_stream_that_is_blocked_later_ends_with_an_error() -> None:
    """After its first byte; nothing of what is blocked was sent, and the provider is stopped."""
    world = ruled(output=WORDS)
    _, client = world.ask(stream=True)
    world.last.head()
    for text in ("This is the ", "sec", "ret", " ", "plan", " of all"):
        world.last.receiver.on_data(stream(delta(content=text), done=False))
    assert (client.status, client.over, world.last.cancelled) == (200, True, 1)
    assert said(client) == "This is the "
    assert client.events[-2]["error_code"] == "BAD_REQUEST"
    assert "sec" not in said(client)
    assert world.idle


def test_a_stream_that_breaks_tells_its_own_error() -> None:
    """What was held back is lost with the answer, and the client hears why."""
    world = ruled(output=MASK)
    _, client = world.ask(stream=True)
    world.last.head()
    world.last.receiver.on_data(stream(delta(content="Hello bob@exam"), done=False))
    world.last.receiver.on_end()
    assert said(client) == "Hello "
    assert client.events[-2]["error_code"] == "INTERNAL_ERROR"
    assert client.over


def test_an_endpoint_without_guardrails_has_no_guard() -> None:
    """Nothing stands between its calls and their clients."""
    world = ruled(input=GuardrailParameters(pii=Pii("NONE"), invalid_keywords=[]))
    assert world.snapshot.current().endpoints["chat"].guards is None
    call, client = world.ask()
    assert call.reply is client


def test_what_cannot_be_looked_at_is_not_sent() -> None:
    """An answer that is nested too deep is blocked, and no way around the guard."""
    deep = b"[" * 600 + b'"bob@example.com"' + b"]" * 600
    for streams in (False, True):
        world = ruled(output=MASK)
        _, client = world.ask(stream=streams)
        if streams:
            world.last.head()
            event = b'data: {"id":"1","choices":[{"index":0,"delta":{"own":' + deep + b'},"finish_reason":null}]}\n\n'
            world.last.receiver.on_data(event)
        else:
            world.last.answer(b'{"choices":[{"message":{"content":"x","own":' + deep + b'},"finish_reason":"stop"}]}')
        assert (client.status, client.over, len(world.records)) == (400, True, 1)
        assert EMAIL not in client.body.decode()
        assert world.idle


def test_texts_for_embeddings() -> None:
    """They are masked each by itself; tokens, which cannot be read, are refused."""
    world = World()
    settings = {"openai_api_key_plaintext": "sk", "openai_api_base": "http://e.test/v1"}
    world.add("vectors", ExternalModel("text-embedding-3-small", "openai", "llm/v1/embeddings", settings))
    chat = world.snapshot.current().endpoints["vectors"]
    embeds = structs.replace(chat, task="llm/v1/embeddings")
    world.snapshot.swap(structs.replace(world.snapshot.current(), endpoints={"vectors": embeds}))
    guarded(world, "vectors", input=MASK, output=MASK)
    world.ask("vectors", raw=json.dumps({"input": [SAID, "x"]}).encode())
    assert world.last.body["input"] == [MASKED, "x"]
    made = len(world.calls)
    for tokens in ([1, 2], [[1, 2]]):
        _, client = world.ask("vectors", raw=json.dumps({"input": tokens}).encode())
        assert (client.status, len(world.calls)) == (400, made)
        assert "guardrails" in client.json["message"]
