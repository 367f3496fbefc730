"""Recorded whole answers of other dialects, as cloche gives them on: strictly what OpenAI's own types allow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from cloche.wire.openai import Identity, write_answer
from providers.cohere_models import chat_model

from . import test_anthropic, test_gemini
from .recordings import MISSING, folder, recordings

pytestmark = pytest.mark.skipif(folder() is None, reason=MISSING)

ANTHROPIC = [("anthropic", each.id, each.body) for each in test_anthropic.WHOLES]
GEMINI = [("gemini", each.id, each.body) for each in test_gemini.WHOLES]
COHERE = [
    ("cohere", each.id, each.body)
    for each in recordings(("cohere.chat.v2",))
    if each.status == 200 and each.framing == "json"
]
MODELS: dict[str, Any] = {
    "anthropic": test_anthropic.bound(),
    "gemini": test_gemini.TRANSLATOR,
    "cohere": chat_model(),
}


@pytest.mark.parametrize(
    ("provider", "name", "body"), [*ANTHROPIC, *GEMINI, *COHERE], ids=lambda value: str(value)[:20]
)
def test_types(provider: str, name: str, body: bytes) -> None:
    """An answer is a ChatCompletion in the strictest mode; one with reasoning is, but for its list of parts."""
    response = MODELS[provider].decode(body)
    answer = json.loads(write_answer(response, Identity(f"chatcmpl-{name}", 1, "m")))
    for choice in answer["choices"]:
        content = choice["message"]["content"]
        assert isinstance(content, list) == bool(response.choices[choice["index"]].reasoning)
        if isinstance(content, list):
            choice["message"]["content"] = "".join(part.get("text", "") for part in content)
    ChatCompletion.model_validate_json(json.dumps(answer), strict=True)
