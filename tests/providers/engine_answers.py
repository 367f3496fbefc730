"""Event streams in the shapes that the engine really sends, recorded from it and shortened."""

from __future__ import annotations

import json
from typing import Any

ENVELOPE = {
    "created": 1795376941,
    "id": "chatcmpl-tTC9EDg1WV33rVxx8471iO36JNE7ajYn",
    "model": "smollm2-135m-instruct",
    "system_fingerprint": "b0-unknown",
    "object": "chat.completion.chunk",
}
TIMINGS = {"cache_n": 41, "prompt_n": 1, "prompt_ms": 14.455, "predicted_n": 2, "predicted_ms": 15.255}
USAGE = {
    "completion_tokens": 4,
    "prompt_tokens": 42,
    "total_tokens": 46,
    "prompt_tokens_details": {"cached_tokens": 41},
}


def record(token: str, number: int, logprob: float, *others: dict[str, Any]) -> dict[str, Any]:
    """A token record as the engine has it: with the token's number, which OpenAI's has not."""
    told = {"id": number, "token": token, "bytes": list(token.encode()), "logprob": logprob}
    return {**told, "top_logprobs": list(others)} if others else told


def event(**choice: Any) -> dict[str, Any]:
    """An event with one choice."""
    return {"choices": [{"finish_reason": None, "index": 0, "delta": {}, **choice}], **ENVELOPE}


def raw(*events: dict[str, Any], done: bool = True) -> bytes:
    """The bytes of those events."""
    payloads = [json.dumps(each, separators=(",", ":")) for each in events] + ["[DONE]"] * done
    return "".join(f"data: {payload}\n\n" for payload in payloads).encode()


def answer(*texts: str, finish: str = "stop", usage: bool = True) -> bytes:
    """A whole stream that says `texts`, one a token."""
    return raw(
        event(delta={"role": "assistant", "content": None}),
        *(event(delta={"content": text}) for text in texts),
        {**event(finish_reason=finish), "timings": TIMINGS},
        *([{"choices": [], **ENVELOPE, "usage": USAGE, "timings": TIMINGS}] if usage else []),
    )


ERROR = {"error": {"code": 500, "message": "Compute error.", "type": "server_error"}}
CONTEXT_EXCEEDED = (
    b'{"error":{"code":400,"message":"request (2531 tokens) exceeds the available context size (2048 tokens), try '
    b'increasing it","type":"exceed_context_size_error","n_prompt_tokens":2531,"n_ctx":2048}}'
)
BAD_SCHEMA = (
    b'{"error":{"code":400,"message":"JSON schema error at #: unrecognized type nonsense",'
    b'"type":"invalid_request_error"}}'
)
NO_KEY = b'{"error":{"message":"Invalid API Key","type":"authentication_error","code":401}}'
