"""The sources of Cohere's answers, version 2: one citation for each source, at its place in all the text."""

from __future__ import annotations

import json

from cloche.domain.chat import Citation

from .cohere_models import chat_model

DOCUMENT = {"type": "document", "id": "doc:0", "document": {"url": "https://a.test/", "title": "A"}}
TOOL = {"type": "tool", "id": "t:0", "tool_output": {"content": "Bern"}}


def cited(*citations: object) -> list[Citation]:
    """The citations of an answer of two texts after a thought."""
    content = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "Grüezi "},
        {"type": "text", "text": "Bern."},
    ]
    message = {"role": "assistant", "content": content, "citations": citations}
    body = json.dumps({"message": message, "finish_reason": "COMPLETE"}).encode()
    return chat_model().decode(body).choices[0].citations


def test_places_count_from_the_beginning_of_all_the_text() -> None:
    """A stretch of the second text begins behind the first; each of its sources is a citation of its own."""
    stretch = {"start": 0, "end": 4, "text": "Bern", "type": "TEXT_CONTENT", "content_index": 2}
    details = {"text": "Bern", "type": "TEXT_CONTENT", "content_index": 2}
    assert cited({**stretch, "sources": [DOCUMENT, TOOL]}) == [
        Citation(7, 11, "https://a.test/", "A", {**details, "source": DOCUMENT}),
        Citation(7, 11, None, None, {**details, "source": TOOL}),
    ]


def test_what_is_said_of_a_plan_is_no_place_in_the_text() -> None:
    """A citation of thinking or of a plan has no place among the characters, and says where it is in Cohere's words."""
    [citation] = cited({"start": 1, "end": 2, "text": "m", "type": "PLAN", "sources": [DOCUMENT]})
    details = {"text": "m", "type": "PLAN", "start": 1, "end": 2, "source": DOCUMENT}
    assert citation == Citation(None, None, "https://a.test/", "A", details)


def test_a_citation_that_cannot_be_read() -> None:
    """A citation of a wrong shape has no place, and does not take the answer with it."""
    assert cited({"start": "x", "text": "m"}) == [Citation(None, None, None, None, {"text": "m", "source": {}})]
