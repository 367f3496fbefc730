"""A served entity of AI21: its settings, the head of its calls, and what passes in OpenAI's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import ProviderBusy, ProviderCredentials
from cloche.domain.outbound import HttpCall, Origin
from cloche.providers import ai21labs
from cloche.providers.base import InvalidSettings
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.openai_answer import OpenAIRead
from cloche.providers.openai_shaped import OpenAIShaped
from cloche.wire.openai import read_chat

SECRET = "ai-0123456789abcdef"


def bound(**settings: str) -> OpenAIShaped:
    """A model with a key and these settings."""
    made = ai21labs.bind(
        ExternalModel("jamba-large", "ai21labs", "llm/v1/chat", {"ai21labs_api_key_plaintext": SECRET, **settings})
    )
    assert isinstance(made, OpenAIShaped)
    return made


def call(fields: dict[str, Any], **settings: str) -> HttpCall:
    """The call that a request becomes."""
    request = read_chat(json.dumps({"messages": [{"role": "user", "content": "hi"}], **fields}).encode())
    return bound(**settings).encode(request, stream=False)


def test_the_call() -> None:
    """The key is a bearer token in the head and nowhere else, and AI21's own fields pass as they are."""
    outbound = call({"documents": [{"content": "c"}], "max_tokens": 5})
    assert outbound.origin == Origin("api.ai21.com", 443, tls=True)
    lines = outbound.head.decode().split("\r\n")
    assert lines[0] == "POST /studio/v1/chat/completions HTTP/1.1"
    assert f"authorization: Bearer {SECRET}" in lines
    assert json.loads(b"".join(bytes(piece) for piece in outbound.body)) == {
        "model": "jamba-large",
        "messages": [{"role": "user", "content": "hi"}],
        "documents": [{"content": "c"}],
        "max_tokens": 5,
    }
    assert SECRET not in repr(bound()) + repr(outbound)


@pytest.mark.parametrize("base", ["http://10.0.0.1:81/v1", "http://10.0.0.1:81/v1/"])
def test_a_base_of_ones_own(base: str) -> None:
    """A base URL stands in the place of AI21's own, with what leads to the version."""
    outbound = call({}, ai21labs_api_base=base)
    assert outbound.origin == Origin("10.0.0.1", 81)
    assert outbound.head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")


def test_a_base_that_is_no_url() -> None:
    """A base that leads nowhere is refused when the endpoint is made, by its field."""
    with pytest.raises(InvalidSettings) as caught:
        bound(ai21labs_api_base="api.ai21.com")
    assert [path for path, _ in caught.value.problems] == ["ai21labs_config.ai21labs_api_base"]


def test_the_tasks() -> None:
    """A chat passes through; a completion, which AI21 has no more, is asked for in one."""
    settings = {"ai21labs_api_key_plaintext": SECRET}
    chat, completions = (
        PROVIDERS["ai21labs"].bind(ExternalModel("m", "ai21labs", task, settings))
        for task in ("llm/v1/chat", "llm/v1/completions")
    )
    assert isinstance(chat, OpenAIShaped)
    assert isinstance(completions, OpenAIRead)
    assert PROVIDERS["ai21labs"].tasks == ("llm/v1/chat", "llm/v1/completions")


def test_refusals() -> None:
    """A wrong key is the operator's to mend; a full service is told with its own words, which are in `detail`."""
    assert isinstance(bound().error(401, {}, b'{"detail":"Forbidden: Bad or missing API token."}'), ProviderCredentials)
    busy = bound().error(429, {}, b'{"detail":"slow down"}')
    assert isinstance(busy, ProviderBusy)
    assert busy.message == "ai21labs answered 429: slow down"
