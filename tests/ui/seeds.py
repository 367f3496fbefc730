"""What a test needs to be there, made through the API."""

from __future__ import annotations

import secrets as dice
from typing import Any

from compat.live import Live, wait_until
from compat.provider import Provider


def external(server: Live, provider: Provider, model: str, gateway: dict[str, Any] | None = None, **fields: Any) -> str:
    """The name of a new endpoint in front of a behaviour of the scripted provider, with its usage tracked."""
    name = f"{model}-{dice.token_hex(4)}"
    body = {"name": name, "config": {"served_entities": [entity(provider, model)]}} | fields
    body["ai_gateway"] = {"usage_tracking_config": {"enabled": True}} | (gateway or {})
    made = server.request("POST", "/api/2.0/serving-endpoints", body)
    assert made.status == 200, made.body
    return name


def entity(provider: Provider, model: str) -> dict[str, Any]:
    """A served entity of that behaviour, and of its name."""
    settings = {"openai_api_key_plaintext": "sk-fake", "openai_api_base": provider.url}
    external = {"name": model, "provider": "openai", "task": "llm/v1/chat", "openai_config": settings}
    return {"name": model, "external_model": external}


def counted(server: Live, endpoint: str, calls: int = 1) -> None:
    """So many calls of an endpoint stand in the log: they are written a moment after their end, and a page that was
    opened before shows them only if it follows."""
    path = f"/api/2.0/calls?endpoint={endpoint}"
    wait_until(lambda: len(server.request("GET", path).json()["calls"]) >= calls, f"calls of {endpoint} in the log")
