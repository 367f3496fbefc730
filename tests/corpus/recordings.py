"""Recorded exchanges with real providers, read where they are: they are not part of this repository.

The folder is named by CLOCHE_CORPUS, or stands beside the checkout as `*/corpus`.  Its README says how the files look.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

CHAT_APIS = ("openai.chat", "azure.chat", "openai_compat.chat", "databricks.chat", "mistral.chat")
MISSING = "no recorded exchanges: set CLOCHE_CORPUS to their folder"


class Recording(msgspec.Struct, frozen=True):
    """One exchange.  `request`: what was asked, in OpenAI's words; `body`: the very bytes of the answer; `expect`: what
    a reference reading found in it, empty where there was none; `model`: as it was named, also in a path."""

    id: str
    api: str
    provider: str
    request: dict[str, Any]
    status: int
    content_type: str
    framing: str
    body: bytes
    expect: dict[str, Any]
    model: str
    headers: dict[bytes, bytes]

    @property
    def name(self) -> str:
        """For messages and for picking one."""
        return f"{self.provider}-{self.framing}-{self.status}-{self.id}"


def folder() -> Path | None:
    """Where the recordings are, or None."""
    named = os.environ.get("CLOCHE_CORPUS")
    beside = Path(__file__).parents[3]
    places = [Path(named)] if named else sorted(beside.glob("*/corpus"))
    return next((place for place in places if (place / "dev" / "index.json").is_file()), None)


def exchanged(*apis: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What the index says, and what its file says, of each exchange of these APIs; none where there is no folder."""
    place = folder()
    if place is None:
        return
    for item in json.loads((place / "dev" / "index.json").read_bytes())["items"]:
        if item["api"] in apis:
            yield item, json.loads((place / "dev" / item["file"]).read_bytes())


@cache
def recordings(apis: tuple[str, ...] = CHAT_APIS) -> tuple[Recording, ...]:
    """All exchanges of these APIs, read."""
    return tuple(_read(recording) for _, recording in exchanged(*apis))


@cache
def accepted_paths(api: str) -> frozenset[str]:
    """The JSON paths of requests to an API that a real provider took; none where there is no folder."""
    place = folder()
    if place is None:
        return frozenset()
    return frozenset(json.loads((place / "dev" / "request_vocab.json").read_bytes())[api])


def _read(item: dict[str, Any]) -> Recording:
    answer = item["response"]
    return Recording(
        id=item["id"],
        api=item["api"],
        provider=item["provider"],
        request=_in_openai_words(item["api"], item["request"]["body"]),
        status=answer["status"],
        content_type=answer["content_type"] or "",
        framing=answer["framing"],
        body=base64.b64decode(answer["body"]) if answer["encoding"] == "base64" else answer["body"].encode(),
        expect=item["expect"] or {},
        model=unquote(item["model"]),
        headers={name.encode(): value.encode() for name, value in answer["headers"].items()},
    )


def _in_openai_words(api: str, request: dict[str, Any]) -> dict[str, Any]:
    """What a client of the API would have asked: Mistral has a word of its own for a required call, and takes a choice
    of tools where there are none, which OpenAI refuses and so does cloche."""
    if api != "mistral.chat" or "tool_choice" not in request:
        return request
    if "tools" not in request:
        return {name: value for name, value in request.items() if name != "tool_choice"}
    return {**request, "tool_choice": "required"} if request["tool_choice"] == "any" else request
