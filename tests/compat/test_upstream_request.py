"""What would be sent upstream, beside what is sent."""

from __future__ import annotations

from typing import Any

import pytest

from .live import ENDPOINT, Live, chat
from .provider import Provider
from .strangers import Stranger


def preview(server: Live, endpoint: str, body: dict[str, Any], **fields: Any) -> Any:
    """What the API tells."""
    path = f"/api/2.0/serving-endpoints/{endpoint}/upstream-request"
    reply = server.request("POST", path, {"body": body, **fields})
    assert reply.status == 200, reply.body
    assert b"sk-fake" not in reply.body
    return reply.json()


def test_what_is_shown_is_what_is_sent(relaying: Live, provider: Provider) -> None:
    """The preview has the provider's address and body and no key, and asks nobody."""
    body = chat(n=1, client_request_id="mine", unknown={"kept": True})
    asked = len(provider.asked)
    told = preview(relaying, "echo", body)
    assert len(provider.asked) == asked
    assert relaying.request("POST", "/serving-endpoints/echo/invocations", body).status == 200
    assert told["body"] == provider.asked[-1]
    assert told["body"]["unknown"] == {"kept": True}
    assert told["url"] == f"{provider.url}/chat/completions"
    assert told["headers"]["authorization"] == "•••"
    assert told["headers"]["content-type"] == "application/json"
    assert (told["entity"], told["provider"], told["method"], told["translation"]) == ("echo", "openai", "POST", "")


@pytest.mark.model
def test_a_local_model_is_shown_its_prompt(live: Live) -> None:
    """The engine's request has the prompt as the model's template makes it, and no key of the engine."""
    told = preview(live, ENDPOINT, chat(messages=[{"role": "user", "content": "Name a colour."}]))
    assert told["provider"] == "local"
    assert "Name a colour." in str(told["body"])
    assert all(value == "•••" for name, value in told["headers"].items() if name.lower() == "authorization")


def test_what_cannot_be_asked_is_refused(relaying: Live, watched: Live, stranger: Stranger) -> None:
    """A bad body, an entity that is none, and whoever may not query are refused as they are in a call."""
    path = "/api/2.0/serving-endpoints/echo/upstream-request"
    bad = relaying.request("POST", path, {"body": {"messages": 7}})
    assert bad.status == 400
    assert bad.json()["message"].startswith("messages")
    assert relaying.request("POST", path, {"body": chat(), "entity": "nobody"}).status == 404
    assert relaying.request("POST", path, {"entity": "echo"}).status == 400
    assert watched.request("POST", path, {"body": chat()}, token=stranger.token).status == 403
