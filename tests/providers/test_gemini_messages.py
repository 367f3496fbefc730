"""The conversation as Gemini gets it: roles, parts, media, calls and their results."""

from __future__ import annotations

import pytest

from cloche.domain.errors import BadRequest
from cloche.domain.translation import Report
from cloche.providers.gemini_answer import signed_id
from cloche.providers.gemini_request import Dialect

from .gemini_asking import HELLO, Json, asked


def contents(*messages: Json, call_ids: bool = True) -> list[Json]:
    """The contents for a conversation."""
    made: list[Json] = asked(list(messages), dialect=Dialect("m", call_ids=call_ids))["contents"]
    return made


def said(*parts: Json) -> list[Json]:
    """The parts that a user's content parts become."""
    (content,) = contents({"role": "user", "content": list(parts)})
    made: list[Json] = content["parts"]
    return made


def test_a_plain_request_holds_nothing_else() -> None:
    """No setting is made up."""
    assert asked() == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def test_system_messages_are_the_instruction() -> None:
    """Wherever they stand, in order; neighbours that are left of one role become one content."""
    body = asked(
        [
            {"role": "system", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "developer", "content": [{"type": "text", "text": "c"}]},
            {"role": "user", "content": "d"},
            {"role": "assistant", "content": "e"},
        ]
    )
    assert body["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "c"}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "b"}, {"text": "d"}]},
        {"role": "model", "parts": [{"text": "e"}]},
    ]


def test_instructions_alone_are_what_the_user_says() -> None:
    """A conversation must not be empty."""
    assert asked([{"role": "system", "content": "a"}]) == {"contents": [{"role": "user", "parts": [{"text": "a"}]}]}


CALLING: Json = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "x", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
        {"id": signed_id("y", "c2k="), "type": "function", "function": {"name": "g", "arguments": ""}},
    ],
}


def test_calls_and_results_find_each_other() -> None:
    """Results stand together in one content, each with the name of its call; signatures go back where they were."""
    conversation: tuple[Json, ...] = (
        *HELLO,
        CALLING,
        {"role": "tool", "tool_call_id": "x", "content": '{"b": 2}'},
        {"role": "tool", "tool_call_id": signed_id("y", "c2k="), "content": "[3]"},
        {"role": "user", "content": "and"},
    )
    assert contents(*conversation)[1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"id": "x", "name": "f", "args": {"a": 1}}},
                {"functionCall": {"id": "y", "name": "g", "args": {}}, "thoughtSignature": "c2k="},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "x", "name": "f", "response": {"b": 2}}},
                {"functionResponse": {"id": "y", "name": "g", "response": {"output": "[3]"}}},
                {"text": "and"},
            ],
        },
    ]


def test_vertex_takes_no_ids() -> None:
    """Without ids the order and the names tell which result is whose."""
    _, calls, results = contents(*HELLO, CALLING, {"role": "tool", "tool_call_id": "x", "content": "1"}, call_ids=False)
    assert calls["parts"][0] == {"functionCall": {"name": "f", "args": {"a": 1}}}
    assert results["parts"] == [{"functionResponse": {"name": "f", "response": {"output": "1"}}}]


def test_an_image_in_a_result_stands_behind_it() -> None:
    """The response of a function is text or an object; what else the result holds follows it."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    text = {"type": "text", "text": "see"}
    *_, results = contents(*HELLO, CALLING, {"role": "tool", "tool_call_id": "x", "content": [text, image]})
    assert results["parts"] == [
        {"functionResponse": {"id": "x", "name": "f", "response": {"output": "see"}}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
    ]


def test_reasoning_goes_back() -> None:
    """Thoughts and their signature are sent as they came; another provider's secret is not, and that is told."""
    thought = {"type": "summary_text", "text": "hm", "signature": "c2k="}
    secret = {"type": "summary_encrypted_text", "data": "x"}
    parts = [{"type": "reasoning", "summary": [thought, secret]}, {"type": "text", "text": "so"}]
    report = Report()
    body = asked([*HELLO, {"role": "assistant", "content": parts}], report=report)
    assert body["contents"][1]["parts"] == [
        {"text": "hm", "thought": True},
        {"text": "", "thoughtSignature": "c2k="},
        {"text": "so"},
    ]
    assert report.fates()["dropped"] == ["messages.reasoning"]


@pytest.mark.parametrize(
    ("part", "made"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/webp;base64,AA=="}},
            {"inlineData": {"mimeType": "image/webp", "data": "AA=="}},
        ),
        (
            {"type": "image_url", "image_url": "https://x/a.PNG?b=1"},
            {"fileData": {"mimeType": "image/png", "fileUri": "https://x/a.PNG?b=1"}},
        ),
        ({"type": "image_url", "image_url": {"url": "https://x/a"}}, {"fileData": {"fileUri": "https://x/a"}}),
        (
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
        ),
        (
            {"type": "file", "file": {"file_data": "AA==", "filename": "a.PDF"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
        ),
        ({"type": "file", "file": {"file_id": "https://x/f/1"}}, {"fileData": {"fileUri": "https://x/f/1"}}),
        (
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="}},
            {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
        ),
        ({"type": "document", "source": {"type": "text", "data": "a"}}, {"text": "a"}),
        (
            {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x/a.pdf"}},
        ),
    ],
)
def test_media(part: Json, made: Json) -> None:
    """Data goes inline, links as files whose type their name tells."""
    assert said(part) == [made]


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"type": "video_url", "video_url": "x"}, "messages[0].content[0].type"),
        ({"type": "image_url", "image_url": "data:image/png,AA"}, "messages[0].content[0].image_url"),
        ({"type": "image_url", "image_url": "a.png"}, "messages[0].content[0].image_url"),
        ({"type": "image_url", "image_url": "http://["}, "messages[0].content[0].image_url"),
        ({"type": "input_audio", "input_audio": {"data": 1}}, "messages[0].content[0].input_audio"),
        ({"type": "file", "file": {}}, "messages[0].content[0].file"),
        ({"type": "file", "file": {"file_data": "AA=="}}, "messages[0].content[0].file.file_data"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "messages[0].content[0].file.file_id"),
        ({"type": "document", "source": {"type": "base64"}}, "messages[0].content[0].source"),
    ],
)
def test_parts_that_cannot_be_sent(part: Json, path: str) -> None:
    """The refusal opens with the path of the part."""
    with pytest.raises(BadRequest) as caught:
        said(part)
    assert caught.value.message.startswith(f"{path}: ")


def test_a_result_of_no_call_is_refused() -> None:
    """The provider needs the function's name, which only the call has."""
    with pytest.raises(BadRequest, match=r"^messages\[1\].tool_call_id: "):
        contents(*HELLO, {"role": "tool", "tool_call_id": "z", "content": "1"})


@pytest.mark.parametrize("arguments", ["{", "[1]", "1"])
def test_arguments_must_be_an_object(arguments: str) -> None:
    """A call that the provider could not read is told by its path."""
    call = {"id": "x", "type": "function", "function": {"name": "f", "arguments": arguments}}
    with pytest.raises(BadRequest, match=r"^messages\[1\].tool_calls\[0\].function.arguments: "):
        contents(*HELLO, {"role": "assistant", "content": None, "tool_calls": [call]})


def test_cache_markers_are_told_to_be_dropped() -> None:
    """A marker is a key: the same word in a text is none."""
    marked = [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}]
    report = Report()
    asked(marked, report=report)
    assert report.fates()["dropped"] == ["messages.cache_control"]
    report = Report(strict=True)
    asked([{"role": "user", "content": 'say "cache_control"'}], report=report)
