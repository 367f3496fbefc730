"""Sources and the provider's own pieces on the wire: OpenAI's annotations for the web, our own fields for the rest."""

from __future__ import annotations

import json
from typing import Any

from openai.types.chat import ChatCompletion

from cloche.domain.chat import ChatResponse, Choice, Chunk, Citation
from cloche.wire.openai import Identity, write_answer, write_chunk

IDENTITY = Identity("chatcmpl-1", 1, "m")
WEB = Citation(0, 3, "https://a.test/", None, {"cited_text": "x"})
FILE = Citation(4, 7, None, "facts.txt", {"type": "char_location"})
PLAN = Citation(None, None, "https://b.test/", "B", {"type": "PLAN"})
SEARCH = {"type": "server_tool_use", "name": "web_search"}

TOLD: dict[str, Any] = {
    "annotations": [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": 0,
                "end_index": 3,
                "url": "https://a.test/",
                "title": "",
                "cited_text": "x",
            },
        }
    ],
    "citations": [
        {"type": "char_location", "title": "facts.txt", "start_index": 4, "end_index": 7},
        {"type": "PLAN", "url": "https://b.test/", "title": "B"},
    ],
    "provider_content": [SEARCH],
}


def test_a_whole_answer() -> None:
    """A source of the web with a place is an annotation as OpenAI has it, any other a citation with what is known."""
    choice = Choice(0, "abc def", "stop", citations=[WEB, FILE, PLAN], extras=[SEARCH])
    body = write_answer(ChatResponse([choice], None), IDENTITY)
    message = json.loads(body)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "abc def", **TOLD}
    ChatCompletion.model_validate_json(body, strict=True)


def test_a_stream() -> None:
    """A delta has them under the same names, and no text where there is none."""
    event = json.loads(write_chunk(Chunk(citations=(WEB, FILE, PLAN), extras=(SEARCH,)), IDENTITY))
    assert event["choices"][0]["delta"] == TOLD


def test_an_answer_without() -> None:
    """An answer that rests on nothing has none of the fields."""
    message = json.loads(write_answer(ChatResponse([Choice(0, "a", "stop")], None), IDENTITY))["choices"][0]["message"]
    assert message.keys() == {"role", "content"}
