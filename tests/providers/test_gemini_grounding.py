"""The sources of Gemini's answers: where they are cited is counted in characters, and nothing said of them is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.assembly import Assembly
from cloche.domain.chat import Choice, Citation
from cloche.domain.endpoint import ExternalModel
from cloche.providers import gemini
from codec.cuts import every_way

MODEL = gemini.bind(ExternalModel("m", "gemini", "llm/v1/chat", {"gemini_api_key_plaintext": "k"}))
WEB = {"web": {"uri": "https://a.test/", "title": "A"}}
STORED = {"retrievedContext": {"title": "facts", "text": "Bern is a city."}}
TEXT = "Grüezi \U0001f30d! Bern is nice."
RAW = TEXT.encode()


def segment(words: str) -> dict[str, Any]:
    """A segment as Google gives it: bytes, and no 0."""
    start = RAW.index(words.encode())
    told = {"endIndex": start + len(words.encode()), "text": words}
    return told | ({"startIndex": start} if start else {})


GROUNDING: dict[str, Any] = {
    "groundingChunks": [WEB, STORED],
    "groundingSupports": [
        {"segment": segment("Grüezi \U0001f30d!"), "groundingChunkIndices": [0], "confidenceScores": [0.5]},
        {"segment": segment("Bern is nice."), "groundingChunkIndices": [0, 1]},
    ],
    "webSearchQueries": ["Bern"],
}
CODE = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}


def candidate(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """One object of an answer."""
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": list(parts)}, **fields}]}


def whole(*parts: dict[str, Any], **fields: Any) -> Choice:
    """The one choice of a whole answer."""
    body = json.dumps(candidate(*parts, finishReason="STOP", **fields)).encode()
    return MODEL.decode(body).choices[0]


def test_grounding() -> None:
    """Each source of each stretch is a citation, at the characters that it is of; the rest is kept as it came."""
    choice = whole(CODE, {"text": TEXT}, groundingMetadata=GROUNDING)
    assert choice.citations == [
        Citation(0, 9, "https://a.test/", "A", {"source": WEB, "confidence": 0.5}),
        Citation(10, 23, "https://a.test/", "A", {"source": WEB}),
        Citation(10, 23, None, "facts", {"source": STORED}),
    ]
    assert [choice.content[cited.start : cited.end] for cited in choice.citations[:2]] == [TEXT[:9], "Bern is nice."]
    assert choice.extras == [CODE, {"groundingMetadata": GROUNDING}]


def test_a_stream_says_the_same() -> None:
    """However it is cut, and although the text comes in pieces, a stream has the same sources and kept parts."""
    objects = [
        candidate(CODE),
        candidate({"text": TEXT[:4]}),
        candidate({"text": TEXT[4:]}, groundingMetadata=GROUNDING, finishReason="STOP"),
    ]
    raw = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in objects)
    for name, pieces in every_way(raw, seeds=5):
        decoder, assembly = MODEL.decoder(), Assembly()
        for chunk in [*(chunk for piece in pieces for chunk in decoder.feed(piece)), *decoder.close()]:
            assembly.add(chunk)
        assert assembly.response().choices == [whole(CODE, {"text": TEXT}, groundingMetadata=GROUNDING)], name


def test_citations_of_what_was_learnt() -> None:
    """Sources that the model recites are cited, by either of the names that Google has for them."""
    source = {"startIndex": 8, "endIndex": 12, "uri": "https://b.test/", "license": "mit"}
    for name in ("citationSources", "citations"):
        choice = whole({"text": TEXT}, citationMetadata={name: [source]})
        assert choice.citations == [Citation(7, 8, "https://b.test/", None, {"license": "mit"})]


@pytest.mark.parametrize("place", [{"endIndex": 999}, {"text": "nowhere"}, {}])
def test_a_place_that_is_none(place: dict[str, Any]) -> None:
    """A stretch that is not in the text has no place, and its source is told all the same."""
    support = {"segment": place, "groundingChunkIndices": [0, 7]}
    choice = whole({"text": TEXT}, groundingMetadata={"groundingChunks": [WEB], "groundingSupports": [support]})
    assert [(cited.start, cited.end, cited.url) for cited in choice.citations] == [
        (None, None, "https://a.test/"),
        (None, None, None),
    ]


def test_sources_that_cannot_be_read() -> None:
    """Sources of a wrong shape give no citation, and do not take the answer with them: they are told as they came."""
    told = {"groundingMetadata": {"groundingSupports": 5}}
    choice = whole({"text": TEXT}, **told)
    assert (choice.content, choice.citations, choice.extras) == (TEXT, [], [told])
