"""Answers of each kind of models in clouds: Bedrock's own dialect, and the settings of all that are called with keys or
tokens that must be made first.

Must not know cloche.
"""

from __future__ import annotations

import json
from typing import Any

from codec.frames import event
from providers.google_keys import service_account

Json = dict[str, Any]

CLAUDE = "anthropic.claude-haiku-4-5-20251001-v1:0"


def converse(blocks: list[Json], stop_reason: str, *, stream: bool) -> bytes:
    """An answer of Converse with blocks of content, whole or in frames."""
    usage = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}
    if not stream:
        message = {"role": "assistant", "content": blocks}
        return json.dumps({"output": {"message": message}, "stopReason": stop_reason, "usage": usage}).encode()
    frames = [event("messageStart", role="assistant")]
    for index, block in enumerate(blocks):
        use = block.get("toolUse")
        if use is not None:
            named = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            frames.append(event("contentBlockStart", contentBlockIndex=index, start=named))
        frames += [event("contentBlockDelta", contentBlockIndex=index, delta=delta) for delta in _deltas(block)]
        frames.append(event("contentBlockStop", contentBlockIndex=index))
    return b"".join([*frames, event("messageStop", stopReason=stop_reason), event("metadata", usage=usage)])


def _deltas(block: Json) -> list[Json]:
    if "toolUse" in block:
        return [{"toolUse": {"input": piece}} for piece in json.dumps(block["toolUse"]["input"]).partition(":")]
    if "reasoningContent" in block:
        told = block["reasoningContent"]["reasoningText"]
        return [{"reasoningContent": {name: told[name]}} for name in ("text", "signature")]
    return [{"text": piece} for piece in block["text"].partition(" ")]


def bedrock_model(base: str) -> Json:
    """A model of Bedrock at a base URL."""
    settings = {
        "aws_region": "us-east-1",
        "bedrock_provider": "anthropic",
        "aws_access_key_id_plaintext": "AKIDEXAMPLE000000000",
        "aws_secret_access_key_plaintext": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "aws_api_base": base,
    }
    return {"name": CLAUDE, "provider": "amazon-bedrock", "amazon_bedrock_config": settings}


def vertex_model(name: str, base: str, token_uri: str) -> Json:
    """A model of Vertex AI at a base URL, with a token server besides."""
    settings = {
        "project_id": "p-1",
        "region": "europe-west1",
        "private_key_plaintext": service_account(),
        "vertex_api_base": base,
        "vertex_token_uri": token_uri,
    }
    return {"name": name, "provider": "google-cloud-vertex-ai", "google_cloud_vertex_ai_config": settings}
