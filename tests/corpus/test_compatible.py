"""What real clients asked of OpenAI-shaped services, put to the services' rows: nothing is lost that they took."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import Problem
from cloche.domain.translation import Report
from cloche.providers import compatible
from cloche.providers.base import status_in_error
from cloche.wire.openai import read_chat

from .recordings import MISSING, Recording, folder, recordings

pytestmark = pytest.mark.skipif(not recordings(), reason=MISSING)

ROWS = [recording for recording in recordings() if recording.provider in compatible.SERVICES]
TAKEN = [recording for recording in ROWS if recording.status == 200]
REFUSED = [recording for recording in ROWS if recording.status != 200]
OURS = {"model", "stream", "stream_options"}
EVERYTHING: dict[str, Any] = {
    "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi"}],
    "max_completion_tokens": 5,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 4,
    "n": 1,
    "stop": ["a"],
    "seed": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": {"1": 1},
    "logprobs": True,
    "top_logprobs": 1,
    "user": "u",
    "service_tier": "auto",
    "thinking": {"type": "disabled"},
    "reasoning_effort": "low",
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "response_format": {"type": "text"},
    "store": False,
    "verbosity": "low",
    "safety_identifier": "x",
}
NOT_SEEN = {"stop"}
"""Fields that Mistral documents and no recording has: https://docs.mistral.ai/api/endpoint/chat"""


def bound(provider: str) -> Any:
    """A model of the service."""
    prefix = provider.replace("-", "_")
    settings = {f"{prefix}_api_base": "http://h/v1", f"{prefix}_api_key_plaintext": "sk-0123456789"}
    return compatible.bind(ExternalModel("m", provider, "llm/v1/chat", settings))


def sent(provider: str, request: dict[str, Any], *, stream: bool) -> dict[str, Any]:
    """The body that the service gets."""
    call = bound(provider).encode(read_chat(json.dumps(request).encode()), stream=stream)
    body: dict[str, Any] = json.loads(b"".join(bytes(piece) for piece in call.body))
    return body


@pytest.mark.parametrize("stream", [False, True])
def test_mistral_gets_no_field_that_it_was_never_seen_to_take(stream: bool) -> None:
    """It forbids what it does not know, so of a request with everything only known fields get there."""
    place = folder()
    assert place is not None
    paths = json.loads((place / "dev" / "request_vocab.json").read_bytes())["mistral.chat"]
    body = sent("mistral", EVERYTHING, stream=stream)
    assert {f".{name}" for name in body.keys() - NOT_SEEN} <= set(paths)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


@pytest.mark.parametrize("recording", TAKEN, ids=lambda recording: recording.name)
def test_what_a_service_took_reaches_it(recording: Recording) -> None:
    """A request that the service took goes to it field by field as it was, and nothing is said to be lost."""
    stream = recording.framing == "sse"
    body = sent(recording.provider, recording.request, stream=stream)
    assert {name: value for name, value in body.items() if name not in OURS} == {
        name: value for name, value in recording.request.items() if name not in OURS
    }
    report = Report(strict=True)
    bound(recording.provider).note(read_chat(json.dumps(recording.request).encode()), report)
    assert set(report.fates()) <= {"passed"}


@pytest.mark.parametrize("recording", REFUSED, ids=lambda recording: recording.name)
def test_refusals_name_the_service(recording: Recording) -> None:
    """A refusal says which service spoke, and none of them is a status that clients do not know."""
    problem: Problem = bound(recording.provider).error(recording.status, {}, recording.body)
    assert problem.message.startswith(recording.provider)
    assert problem.status == {400: 400, 401: 500, 404: 404, 429: 429}[recording.status]
    assert status_in_error(recording.body, recording.status) in (recording.status, 400)
