"""Requests to Gemini, for tests: OpenAI's shape in, the body out."""

from __future__ import annotations

import json
from typing import Any

from cloche.domain.translation import Report
from cloche.providers import gemini_request
from cloche.providers.gemini_request import Dialect
from cloche.wire.openai import read_chat

Json = dict[str, Any]

HELLO: list[Json] = [{"role": "user", "content": "hi"}]


def asked(
    messages: list[Json] = HELLO, *, dialect: Dialect | None = None, report: Report | None = None, **fields: Any
) -> Json:
    """The body for a request."""
    request = read_chat(json.dumps({"messages": messages} | fields).encode())
    return gemini_request.body(request, report or Report(), dialect or Dialect("gemini-2.5-flash"))
