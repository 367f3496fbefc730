"""The OpenAPI document of one endpoint: how it is queried, which depends on what its models do."""

from __future__ import annotations

from typing import Any

from cloche.domain.endpoint import CHAT_TASK, COMPLETIONS_TASK, EMBEDDINGS_TASK, Endpoint

_TEXTS = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

_TEXTS_OR_TOKENS = {"oneOf": [{"type": "string"}, {"type": "array", "minItems": 1}]}

_GENERATION: dict[str, Any] = {
    "max_tokens": {"type": "integer", "minimum": 1},
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "top_p": {"type": "number", "minimum": 0, "maximum": 1},
    "n": {"type": "integer", "minimum": 1},
    "stop": _TEXTS,
    "stream": {"type": "boolean"},
}
"""What chats and text completions have in common."""

_CHAT: dict[str, Any] = {
    "type": "object",
    "required": ["messages"],
    "properties": {
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role"],
                "properties": {
                    "role": {"type": "string", "enum": ["system", "developer", "user", "assistant", "tool"]},
                    "content": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]},
                },
            },
        },
        **_GENERATION,
        "tools": {"type": "array", "items": {"type": "object"}},
        "response_format": {"type": "object"},
    },
}

_REQUESTS: dict[str, dict[str, Any]] = {
    CHAT_TASK: _CHAT,
    COMPLETIONS_TASK: {
        "type": "object",
        "required": ["prompt"],
        "properties": {"prompt": _TEXTS_OR_TOKENS, **_GENERATION},
    },
    EMBEDDINGS_TASK: {
        "type": "object",
        "required": ["input"],
        "properties": {
            "input": _TEXTS_OR_TOKENS,
            "dimensions": {"type": "integer", "minimum": 1},
            "encoding_format": {"type": "string", "enum": ["float", "base64"]},
        },
    },
}


def endpoint_openapi(endpoint: Endpoint, base_url: str) -> dict[str, Any]:
    """The answer to GET …/openapi.  `base_url`: how the client reached the server, without a trailing slash."""
    entities = endpoint.newest.configuration.entities
    paths = [f"/serving-endpoints/{endpoint.name}/invocations"]
    paths += [f"/serving-endpoints/{endpoint.name}/served-models/{entity.name}/invocations" for entity in entities]
    return {
        "openapi": "3.1.0",
        "info": {"title": endpoint.name, "version": str(endpoint.newest.number)},
        "servers": [{"url": base_url}],
        "paths": {path: {"post": _query(endpoint.task)} for path in paths},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _query(task: str) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    if task != EMBEDDINGS_TASK:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return {
        "summary": f"Query the endpoint ({task}).",
        "security": [{"token": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _REQUESTS[task]}}},
        "responses": {"200": {"description": "The answer.", "content": content}},
    }
