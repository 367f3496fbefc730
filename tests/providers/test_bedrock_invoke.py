"""A served entity behind InvokeModel: the family of its model, the head of its calls, its frames and its refusals."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from cloche.domain.assembly import Assembly
from cloche.domain.chat import Usage
from cloche.domain.errors import ProviderBroken, ProviderBusy, ProviderCredentials, ProviderRefused
from cloche.domain.translation import Report
from cloche.providers import bedrock_embeddings, bedrock_invoke_chat, bedrock_invoke_text
from cloche.providers.bedrock_invoke import FAMILIES, NEWEST, dialect
from cloche.providers.bedrock_invoke_claude import Claude
from cloche.providers.bedrock_invoke_command_r import COMMAND_R
from cloche.providers.bedrock_invoke_nova import Nova
from cloche.wire.openai import read_chat
from codec.frames import event, exception

from .invoke_asking import ASKED, framed, invoke, sent, streamed, whole

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
LLAMA = "meta.llama3-70b-instruct-v1:0"
JURASSIC = "ai21.j2-mid-v1"
NOVA = "amazon.nova-lite-v1:0"
COMMAND_R_MODEL = "cohere.command-r-plus-v1:0"

ALIKE = [
    ("amazon.titan-text-premier-v1:0", bedrock_invoke_text.TITAN),
    ("amazon.titan-tg1-large", bedrock_invoke_text.TITAN),
    ("arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-tg1-large", bedrock_invoke_text.TITAN),
    ("cohere.command-text-v14", bedrock_invoke_text.COMMAND),
    (COMMAND_R_MODEL, COMMAND_R),
    (JURASSIC, bedrock_invoke_text.JURASSIC),
    ("ai21.jamba-1-5-large-v1:0", bedrock_invoke_chat.JAMBA),
    ("meta.llama2-70b-chat-v1", bedrock_invoke_text.LLAMA2),
    ("us.meta.llama3-3-70b-instruct-v1:0", bedrock_invoke_text.LLAMA3),
    ("us.meta.llama4-scout-17b-instruct-v1:0", bedrock_invoke_text.LLAMA4),
    ("mistral.mixtral-8x7b-instruct-v0:1", bedrock_invoke_text.MISTRAL),
    ("eu.mistral.pixtral-large-2502-v1:0", bedrock_invoke_chat.MISTRAL),
]


@pytest.mark.parametrize(("model", "expected"), ALIKE)
def test_the_family_of_a_model(model: str, expected: object) -> None:
    """A model's id tells its family, also behind the place of an inference profile and in an ARN."""
    assert dialect(model, "") is expected


def test_families_that_look_at_the_model() -> None:
    """Claude and Nova models are told apart by their ids, since they do not all take the same."""
    for model in (HAIKU, f"global.{HAIKU}", f"arn:aws:bedrock:eu-west-1:1:inference-profile/eu.{HAIKU}"):
        assert isinstance(dialect(model, ""), Claude)
    assert isinstance(dialect("apac.amazon.nova-pro-v1:0", ""), Nova)


def test_an_arn_that_tells_nothing() -> None:
    """Where the id is no name of a model, its maker says the family; any other unknown id has none."""
    profile = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef"
    assert dialect(profile, "Mistral") is bedrock_invoke_chat.MISTRAL
    assert isinstance(dialect(profile, "Anthropic"), Claude)
    assert dialect(profile, "writer") is None
    assert dialect("writer.palmyra-x5", "amazon") is None
    assert set(NEWEST.values()) <= FAMILIES.keys()


def test_the_page_has_every_family() -> None:
    """The families of chat and of embeddings stand on the provider's page by the beginning of their ids."""
    page = (Path(__file__).parents[2] / "docs" / "providers" / "bedrock.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    listed = {word for row in rows for word in re.findall("`([^`]+)`", row)}
    assert FAMILIES.keys() | bedrock_embeddings.FAMILIES.keys() <= listed


def test_the_call() -> None:
    """The id stands in the path, percent-encoded; the two operations have heads of their own, and signer and headers
    are the door's."""
    request = read_chat(json.dumps(ASKED).encode())
    call = invoke(HAIKU).encode(request, Report(), stream=False)
    assert (call.origin.host, call.authorizer) == ("bedrock.test", None)
    lines = call.head.decode().split("\r\n")
    assert lines[0] == "POST /base/model/anthropic.claude-3-haiku-20240307-v1%3A0/invoke HTTP/1.1"
    assert "x-signed: 0123456789abcdef" in lines
    call = invoke(HAIKU).encode(request, Report(), stream=True)
    assert call.head.split(b" HTTP")[0].endswith(b"/invoke-with-response-stream")
    assert not invoke(HAIKU).takes_n


def test_a_family_that_is_not_streamed() -> None:
    """Where the client wants a stream of such a model, its whole answer is asked for and told at its end."""
    request = read_chat(json.dumps(ASKED).encode())
    call = invoke(JURASSIC).encode(request, Report(), stream=True)
    assert call.head.split(b" HTTP")[0].endswith(b"/invoke")
    answer = {
        "prompt": {"text": "Hi.", "tokens": [{}, {}]},
        "completions": [{"data": {"text": "Ho.", "tokens": [{}, {}, {}]}, "finishReason": {"reason": "endoftext"}}],
    }
    body = json.dumps(answer).encode()
    decoder, assembly = invoke(JURASSIC).decoder(), Assembly()
    assert decoder.feed(body[:20]) == decoder.feed(body[20:]) == []
    for chunk in decoder.close():
        assembly.add(chunk)
    assert assembly.response() == whole(JURASSIC, answer)
    assert assembly.response().usage == Usage(2, 3)
    with pytest.raises(ProviderBroken):
        invoke(JURASSIC).decoder().close()


def test_exceptions_in_a_stream() -> None:
    """A frame with an exception is the problem that its name stands for."""
    decoder = invoke(LLAMA).decoder()
    assert decoder.feed(framed({"generation": "Ho", "stop_reason": None}))
    with pytest.raises(ProviderBusy):
        decoder.feed(exception("throttlingException", "Too fast."))


BROKEN = [
    event("chunk", nothing="x"),
    event("chunk", bytes="*not base64"),
    framed(["no object"]),
]


@pytest.mark.parametrize("stream", BROKEN)
def test_frames_that_cannot_be_read(stream: bytes) -> None:
    """A frame without a model's event in it breaks the answer."""
    with pytest.raises(ProviderBroken):
        invoke(LLAMA).decoder().feed(stream)


def test_frames_of_other_kinds_tell_nothing() -> None:
    """Frames that are no events of the model are passed over."""
    decoder = invoke(LLAMA).decoder()
    assert decoder.feed(event("initial-response", some="thing")) == []


def test_refusals() -> None:
    """Refusals are told by their names, and what is in the head of a call is not quoted."""
    model = invoke(HAIKU)
    refused = model.error(
        400, {b"x-amzn-errortype": b"ValidationException:http://x/"}, b'{"message": "bad 0123456789abcdef"}'
    )
    assert isinstance(refused, ProviderRefused)
    assert "bad ***" in refused.message
    assert isinstance(model.error(400, {b"x-amzn-errortype": b"ExpiredTokenException"}, b"{}"), ProviderCredentials)


# ---------------------------------------------------------------- Claude


def test_what_claude_is_asked() -> None:
    """It is Anthropic's body with Bedrock's version in it, and without the model's name, `stream` and what Bedrock does
    not take."""
    body, report = sent(
        HAIKU, stream=True, max_tokens=5, user="u", service_tier="auto", top_k=3, anthropic_beta=["x-2025-01-01"]
    )
    assert body == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 5,
        "top_k": 3,
        "messages": [{"role": "user", "content": "Hi."}],
        "anthropic_beta": ["x-2025-01-01"],
    }
    assert report.fates()["dropped"] == ["user", "service_tier"]


@pytest.mark.parametrize("model", ["anthropic.claude-v2", "anthropic.claude-v2:1", "anthropic.claude-instant-v1"])
def test_the_oldest_claude_models(model: str) -> None:
    """The models with the version at the end of their names are not taken for the newest: they do not reason."""
    body, report = sent(model, reasoning_effort="high", temperature=0.5, top_p=0.5)
    assert "thinking" not in body
    assert (body["temperature"], body["top_p"]) == (0.5, 0.5)
    assert report.fates()["dropped"] == ["reasoning_effort"]


def test_what_claude_answers() -> None:
    """The events of Anthropic's own streams come one in a frame, whatever their white space."""
    events = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a\nb"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    [choice] = streamed(HAIKU, *events).choices
    assert (choice.content, choice.finish_reason) == ("a\nb", "content_filter")
    padded = base64.b64encode(json.dumps(events[2], indent=1).encode()).decode()
    decoder = invoke(HAIKU).decoder()
    decoder.feed(framed(*events[:2]))
    assert [chunk.content for chunk in decoder.feed(event("chunk", bytes=padded))] == ["a\nb"]
    with pytest.raises(ProviderBusy):
        decoder.feed(framed({"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}))


# ---------------------------------------------------------------- Nova


def test_what_nova_is_asked() -> None:
    """It is Converse's body with Nova's own fields where InvokeModel has them, and without what belongs in headers."""
    guard = {"guardrailIdentifier": "g", "guardrailVersion": "1"}
    body, report = sent(NOVA, max_tokens=5, top_k=3, metadata={"team": "a"}, guardrailConfig=guard)
    assert body == {
        "schemaVersion": "messages-v1",
        "messages": [{"role": "user", "content": [{"text": "Hi."}]}],
        "inferenceConfig": {"maxTokens": 5, "topK": 3},
    }
    assert report.fates()["dropped"] == ["metadata", "guardrailConfig"]
    body, _ = sent("us.amazon.nova-2-lite-v1:0", reasoning_effort="low", max_tokens=5)
    reasoning = {"type": "enabled", "maxReasoningEffort": "low"}
    assert body["inferenceConfig"] == {"maxTokens": 5, "reasoningConfig": reasoning}


def test_what_nova_answers() -> None:
    """Nova counts what a cache held by names of its own; where a guardrail took its place there is no reason to end."""
    usage = {"inputTokens": 3, "outputTokens": 2, "cacheReadInputTokenCount": 1, "cacheWriteInputTokenCount": 0}
    message = {"content": [{"text": "Ho."}], "role": "assistant"}
    answer = whole(NOVA, {"output": {"message": message}, "stopReason": "end_turn", "usage": usage})
    assert answer.usage == Usage(4, 2, cached_tokens=1, cache_write_tokens=0)
    assert answer == streamed(
        NOVA,
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": "Ho."}, "contentBlockIndex": 0}},
        {"contentBlockStop": {"contentBlockIndex": 9}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": usage}, "amazon-bedrock-invocationMetrics": {}},
    )
    blocked = {"output": {"message": message}, "amazon-bedrock-guardrailAction": "INTERVENED"}
    assert whole(NOVA, blocked).choices[0].finish_reason == "content_filter"
    with pytest.raises(ProviderBroken):
        whole(NOVA, {"output": {"message": message}})


# ---------------------------------------------------------------- Command R


def test_what_command_r_is_asked() -> None:
    """It is the body of version 1 of Cohere's API; JSON is demanded in words."""
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    body, report = sent(COMMAND_R_MODEL, messages=messages, response_format={"type": "json_object"}, max_tokens=5)
    assert body.pop("preamble").startswith("Be brief.\n\nYour final answer must be one JSON object")
    history = [{"role": "USER", "message": "a"}, {"role": "CHATBOT", "message": "b"}]
    assert body == {"message": "c", "chat_history": history, "max_tokens": 5}
    assert report.fates()["emulated"] == ["response_format"]


def test_what_command_r_answers() -> None:
    """Its events are Cohere's, and the count in the last of them is Bedrock's."""
    answer = streamed(
        COMMAND_R_MODEL,
        {"event_type": "stream-start", "is_finished": False, "generation_id": "g"},
        {"event_type": "text-generation", "is_finished": False, "text": "Ho."},
        {
            "event_type": "stream-end",
            "is_finished": True,
            "finish_reason": "MAX_TOKENS",
            "response": {"text": "Ho.", "finish_reason": "MAX_TOKENS"},
            "amazon-bedrock-invocationMetrics": {"inputTokenCount": 4, "outputTokenCount": 2},
        },
    )
    assert answer.usage == Usage(4, 2)
    assert answer.choices == whole(COMMAND_R_MODEL, {"text": "Ho.", "finish_reason": "MAX_TOKENS"}).choices
    with pytest.raises(ProviderBroken):
        whole(COMMAND_R_MODEL, {"message": "internal"})
