"""Requests to Anthropic's Messages API, encoded: what its tests have in common."""

from __future__ import annotations

import json
from typing import Any

from cloche.domain.endpoint import ExternalModel
from cloche.domain.translation import Report
from cloche.providers.anthropic import bind
from cloche.wire.openai import read_chat

SECRET = "sk-ant-0123456789"
OLD, BUDGET, SONNET, ADAPTIVE, NEWEST = (
    "claude-3-5-sonnet-20240620",
    "claude-sonnet-4-20250514",
    "claude-sonnet-4-5",
    "claude-opus-4-6",
    "claude-opus-4-8",
)
HELLO = {"role": "user", "content": "hi"}
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
TOOL = {"type": "function", "function": FUNCTION}
CALL: dict[str, Any] = {"id": "call:1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
MARK = {"cache_control": {"type": "ephemeral"}}
PNG = "data:image/png;base64,AAAA"


def sent(model: str = SONNET, *, strict: bool = False, **fields: Any) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The body for a request with these fields, and the report."""
    report = Report(strict=strict)
    bound = bind(ExternalModel(model, "anthropic", "llm/v1/chat", {"anthropic_api_key_plaintext": SECRET}))
    request = read_chat(json.dumps({"messages": [HELLO], **fields}).encode())
    [body] = bound.encode(request, report, stream=False).body
    return json.loads(bytes(body)), report.fates()
