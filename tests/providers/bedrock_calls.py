"""Models on Bedrock as the tests bind them, and what they would send."""

from __future__ import annotations

import json
from typing import Any

from cloche.domain.endpoint import ExternalModel
from cloche.domain.translation import Report
from cloche.providers.base import Embedder, Foreign
from cloche.providers.bedrock import bind
from cloche.wire.openai import read_chat

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY_ID = "AKIDEXAMPLE000000000"
KEYS = {"aws_access_key_id_plaintext": KEY_ID, "aws_secret_access_key_plaintext": SECRET}
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-pro-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
MAKERS = {"amazon.": "amazon", "anthropic.": "anthropic", "cohere.": "cohere", "mistral.": "mistral", "meta.": "meta"}

HELLO = {"role": "user", "content": "hi"}
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
TOOL = {"type": "function", "function": FUNCTION}
CALL: dict[str, Any] = {"id": "call:1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
MARK = {"cache_control": {"type": "ephemeral"}}
CALLED: list[dict[str, Any]] = [
    HELLO,
    {"role": "assistant", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call:1", "content": "2"},
]
"""A conversation in which a tool was called."""


def bound(model: str = CLAUDE, task: str = "llm/v1/chat", **settings: Any) -> Foreign | Embedder:
    """A model with these settings beside the usual ones; its maker as its id says."""
    maker = next((maker for part, maker in MAKERS.items() if part in model), model.partition(".")[0])
    given = {"aws_region": "us-east-1", "bedrock_provider": maker, **KEYS, **settings}
    given = {name: value for name, value in given.items() if value is not None}
    return bind(ExternalModel(model, "amazon-bedrock", task, given))


def chat_model(model: str = CLAUDE, **settings: Any) -> Foreign:
    """A chat model."""
    found = bound(model, **settings)
    assert isinstance(found, Foreign)
    return found


def sent(model: str = CLAUDE, *, strict: bool = False, **fields: Any) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The body for a request with these fields, and the report."""
    report = Report(strict=strict)
    request = read_chat(json.dumps({"messages": [HELLO], **fields}).encode())
    [body] = chat_model(model).encode(request, report, stream=False).body
    return json.loads(bytes(body)), report.fates()


def turns(*messages: dict[str, Any], model: str = CLAUDE) -> list[Any]:
    """The turns that these messages become."""
    body, _ = sent(model, messages=list(messages))
    return list(body["messages"])


def content(*parts: dict[str, Any], model: str = CLAUDE) -> list[Any]:
    """The blocks that the parts of one message become."""
    [turn] = turns({"role": "user", "content": list(parts)}, model=model)
    return list(turn["content"])
