"""Guardrails as clients meet them: masked, refused and filtered over real sockets, and tried without a call."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.service.serving import (
    AiGatewayGuardrailParameters,
    AiGatewayGuardrailPiiBehavior,
    AiGatewayGuardrailPiiBehaviorBehavior,
    AiGatewayGuardrails,
)
from openai import BadRequestError, OpenAI

from .live import TOKEN, Live
from .provider import Provider

ECHO = "echo"
TEXT = "Mail bob@example.com or pay with 4111 1111 1111 1111."
MASKED = "Mail <EMAIL_ADDRESS> or pay with <CREDIT_CARD>."


@pytest.fixture(scope="module")
def live(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with an endpoint whose answers repeat what was asked."""
    folder = tmp_path_factory.mktemp("guarded")
    config = folder / "endpoints.json"
    config.write_text(json.dumps([each for each in provider.endpoints() if each["name"] == ECHO]))
    server = Live(folder, "--config", str(config), "--no-default-endpoint")
    yield server
    server.stop()


def pii(behavior: str) -> AiGatewayGuardrailParameters:
    """Rules about personal data."""
    chosen = AiGatewayGuardrailPiiBehaviorBehavior(behavior)
    return AiGatewayGuardrailParameters(pii=AiGatewayGuardrailPiiBehavior(behavior=chosen))


def rule(live: Live, **sides: AiGatewayGuardrailParameters) -> None:
    """Give the endpoint these guardrails, by the SDK."""
    sdk = WorkspaceClient(config=Config(host=live.url, token=TOKEN, auth_type="pat"))
    sdk.serving_endpoints.put_ai_gateway(ECHO, guardrails=AiGatewayGuardrails(**sides))


def ask(live: Live, path: str = "/serving-endpoints", *, stream: bool = False) -> Any:
    """A chat by the OpenAI client."""
    with OpenAI(api_key=TOKEN, base_url=live.url + path, max_retries=0) as client:
        messages: Any = [{"role": "user", "content": TEXT}]
        if not stream:
            return client.chat.completions.create(model=ECHO, messages=messages).choices[0]
        return [
            chunk.choices[0] for chunk in client.chat.completions.create(model=ECHO, messages=messages, stream=True)
        ]


def text_of(choices: list[Any]) -> str:
    """What a stream said."""
    return "".join(each.delta.content or "" for each in choices)


def test_what_is_asked_and_answered_is_masked(live: Live, provider: Provider) -> None:
    """The provider never sees it, or the client does not; a stream says what a whole answer does."""
    rule(live, input=pii("MASK"))
    ask(live)
    assert provider.asked[-1]["messages"][0]["content"] == MASKED
    rule(live, output=pii("MASK"))
    whole = json.loads(ask(live).message.content)
    assert provider.asked[-1]["messages"][0]["content"] == TEXT
    streamed = ask(live, stream=True)
    assert json.loads(text_of(streamed))["messages"] == whole["messages"] == [{"role": "user", "content": MASKED}]
    assert streamed[-1].finish_reason == "stop"


@pytest.mark.parametrize("side", ["input", "output"])
def test_what_is_blocked(live: Live, side: str) -> None:
    """An error that the client raises at once, whole or streamed, and a filtered answer on the newer paths; the log
    holds no word of it."""
    rule(live, **{side: pii("BLOCK")})
    with live.calls() as lines:
        for stream in (False, True):
            if stream and side == "output":
                continue  # something was said before it, so that it is an error in the stream
            with pytest.raises(BadRequestError) as refused:
                ask(live, stream=stream)
            told = json.loads(refused.value.body["message"])  # type: ignore[index]
            assert told["finishReason"] == f"{side}_guardrail_triggered"
        filtered = ask(live, "/ai-gateway/mlflow/v1")
        assert (filtered.finish_reason, filtered.message.content) == ("content_filter", "")
    assert [line["error_code"] for line in lines] == ["BAD_REQUEST"] * len(lines)
    assert "bob@example.com" not in json.dumps(lines)


def test_what_is_not_done_is_refused(live: Live) -> None:
    """A guardrail that would do nothing is not taken."""
    for rules in ({"safety": True}, {"valid_topics": ["tea"]}):
        body = {"guardrails": {"input": rules}}
        reply = live.request("PUT", f"/api/2.0/serving-endpoints/{ECHO}/ai-gateway", body)
        assert reply.status == 400
        assert f"guardrails.input.{next(iter(rules))}" in reply.json()["message"]


def test_a_text_is_tried(live: Live) -> None:
    """By the endpoint's rules, by others, and on the command line; no model is asked."""
    rule(live, input=pii("MASK"), output=AiGatewayGuardrailParameters(invalid_keywords=["pay"]))
    path = f"/api/2.0/serving-endpoints/{ECHO}/guardrails/test"

    def tried(**body: Any) -> Any:
        reply = live.request("POST", path, {"text": TEXT, **body})
        assert reply.status == 200, reply.body
        return reply.json()

    masked = tried()
    assert (masked["action"], masked["text"], masked["reason"]) == ("MASKED", MASKED, None)
    assert [each["kind"] for each in masked["findings"]] == ["EMAIL_ADDRESS", "CREDIT_CARD"]
    assert TEXT[masked["findings"][0]["start"] : masked["findings"][0]["end"]] == "bob@example.com"
    assert tried(side="output")["reason"] == "invalid_keywords"
    assert tried(guardrails={"pii": {"behavior": "BLOCK"}})["action"] == "BLOCKED"
    assert tried(guardrails={})["action"] == "PASSED"
    long = live.request("POST", path, {"text": TEXT, "guardrails": {"invalid_keywords": ["x" * 201]}})
    assert (long.status, "guardrails.invalid_keywords[0]" in long.json()["message"]) == (400, True)
    command = [sys.executable, "-m", "cloche", "guardrail", "test", ECHO, TEXT, "--url", live.url]
    ran = subprocess.run(
        command, env=live.environ | {"CLOCHE_TOKEN": TOKEN}, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.splitlines()[:2] == ["MASKED", MASKED]
    assert "CREDIT_CARD" in ran.stdout
