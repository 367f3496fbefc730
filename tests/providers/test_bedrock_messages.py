"""Conversations as Bedrock's Converse takes them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from cloche.domain.errors import BadRequest
from cloche.providers.bedrock_messages import NO_OUTPUT, OPENING

from .bedrock_calls import CALL, CALLED, HELLO, MARK, NOVA, content, sent, turns

PNG = "data:image/png;base64,AAAA"
PDF = "data:application/pdf;base64,JVBE"
POINT = {"cachePoint": {"type": "default"}}


def test_instructions_go_to_the_front() -> None:
    """Messages of system and developer, wherever they stand, are the instructions, in their order."""
    body, report = sent(
        messages=[
            {"role": "system", "content": "a"},
            HELLO,
            {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        ]
    )
    assert body["system"] == [{"text": "a"}, {"text": "b"}]
    assert body["messages"] == [{"role": "user", "content": [{"text": "hi"}]}]
    assert report == {"mapped": ["messages"]}


def test_turns_take_turns() -> None:
    """Neighbours of one role are one turn, and texts of white space alone are none."""
    found = turns(HELLO, {"role": "user", "content": " \n"}, {"role": "assistant", "content": "a"}, HELLO, HELLO)
    assert found == [
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [{"text": "a"}]},
        {"role": "user", "content": [{"text": "hi"}, {"text": "hi"}]},
    ]


def test_the_user_speaks_first() -> None:
    """Where the assistant would open the conversation, the user is made to, and the report says so."""
    body, report = sent(messages=[{"role": "assistant", "content": "Hello!"}, HELLO])
    assert body["messages"][0] == {"role": "user", "content": [{"text": OPENING}]}
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert report == {"emulated": ["messages"]}


def test_an_answer_to_be_continued() -> None:
    """An answer that is to go on does not end with white space."""
    assert turns(HELLO, {"role": "assistant", "content": "a \n"})[1] == {
        "role": "assistant",
        "content": [{"text": "a"}],
    }


def test_nothing_to_answer() -> None:
    """A conversation in which nothing is said is refused."""
    with pytest.raises(BadRequest, match="bedrock needs a message"):
        sent(messages=[{"role": "user", "content": " "}])


def test_instructions_alone() -> None:
    """Instructions without a turn are what the user says, as other providers take them."""
    body, report = sent(messages=[{"role": "system", "content": "a"}])
    assert (body.get("system"), body["messages"]) == (None, [{"role": "user", "content": [{"text": "a"}]}])
    assert report == {"emulated": ["messages"]}


def test_names_are_told_of() -> None:
    """The name of a speaker has no place, and the report says so."""
    _, report = sent(messages=[{**HELLO, "name": "x"}])
    assert report["dropped"] == ["messages.name"]


# ---------------------------------------------------------------- parts


def test_images() -> None:
    """Images come as bytes or from S3; how closely to look cannot be told."""
    body, report = sent(
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "s3://bucket/a/b.JPEG"}},
                    {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA", "detail": "auto"}},
                ],
            }
        ]
    )
    assert body["messages"][0]["content"] == [
        {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
        {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a/b.JPEG"}}}},
        {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
    ]
    assert report["dropped"] == ["messages.content.image_url.detail"]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x/a.png"}}, "image_url: bedrock follows no links"),
        ({"type": "image_url", "image_url": {"url": "data:image/png,AAAA"}}, "a data URL must look like"),
        ({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}}, "takes png, jpeg, gif and webp"),
        ({"type": "image_url", "image_url": {"url": "s3://bucket/a"}}, "must be named .png"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "file.file_data: this field is required"),
        ({"type": "file", "file": {"file_data": "https://x/a.pdf"}}, "file.file_data: bedrock follows no links"),
        ({"type": "file", "file": {"file_data": "JVBE"}}, "bedrock takes pdf, csv"),
        ({"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}}, "must be of type base64 or text"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA"}}, "must have data in base64 and a format"),
        ({"type": "mystery", "x": 1}, "bedrock has no 'mystery'"),
    ],
)
def test_parts_that_cannot_be_sent(part: dict[str, Any], words: str) -> None:
    """What the API has no place for is refused with its path, and never left out."""
    with pytest.raises(BadRequest, match=r"messages\[0\]\.content\[1\]") as caught:
        content({"type": "text", "text": "a"}, part)
    assert words in caught.value.message


def document(*parts: dict[str, Any]) -> list[Any]:
    """The documents that parts become."""
    return [block["document"] for block in content(*parts)]


def test_documents() -> None:
    """Documents come with their format, by type or by name, as bytes or from S3, with what Anthropic's kind has."""
    text = base64.b64encode("é".encode()).decode()
    given = {"title": "t", "context": "c", "citations": {"enabled": True}}
    assert document(
        {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": "YSxi", "filename": "table.csv"}},
        {"type": "file", "file": {"file_data": "s3://bucket/c.docx"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}, **given},
        {"type": "document", "source": {"type": "base64", "media_type": "text/html", "data": "AAAA"}},
        {"type": "document", "source": {"type": "url", "url": "s3://bucket/d.pdf"}},
    ) == [
        {"format": "pdf", "name": "a", "source": {"bytes": "JVBE"}},
        {"format": "csv", "name": "table", "source": {"bytes": "YSxi"}},
        {"format": "docx", "name": "document", "source": {"s3Location": {"uri": "s3://bucket/c.docx"}}},
        {"format": "txt", "name": "t", "source": {"bytes": text}, "context": "c", "citations": {"enabled": True}},
        {"format": "html", "name": "document (2)", "source": {"bytes": "AAAA"}},
        {"format": "pdf", "name": "document (3)", "source": {"s3Location": {"uri": "s3://bucket/d.pdf"}}},
    ]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("report_2024.v2.pdf", "report-2024-v2"),
        ("a  b\n(c) [d].pdf", "a b-(c) [d]"),
        ("../../etc/é.pdf", "-etc-"),
        ("x" * 300 + ".pdf", "x" * 180),
        ("noending", "noending"),
        (".pdf", "-pdf"),
    ],
)
def test_names_of_documents(given: str, name: str) -> None:
    """A name has only what the API takes in one, and is never empty."""
    [found] = document({"type": "file", "file": {"file_data": PDF, "filename": given}})
    assert found["name"] == name


def test_kinds_of_the_api_itself() -> None:
    """Sound, and parts under the API's own names, are sent as its blocks."""
    video = {"format": "mp4", "source": {"bytes": "AAAA"}}
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}
    assert content(sound, {"type": "video", "video": video}, model="us.amazon.nova-2-omni-v1:0") == [
        {"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}},
        {"video": video},
    ]


def test_reasoning_goes_back() -> None:
    """Reasoning goes back with its signature, open or secret, in front; what bears none is left out."""
    summary = [
        {"type": "summary_text", "text": "t", "signature": "s"},
        {"type": "summary_encrypted_text", "data": "AAEC"},
        {"type": "summary_text", "text": "of another model"},
    ]
    answer = [{"type": "reasoning", "summary": summary}, {"type": "text", "text": "a"}]
    assert turns(HELLO, {"role": "assistant", "content": answer}, HELLO)[1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "AAEC"}},
        {"text": "a"},
    ]


def test_what_a_model_has_no_eyes_or_ears_for() -> None:
    """What a model does not take, as its maker tells, is refused before it is sent."""
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}
    with pytest.raises(BadRequest, match="takes no audio"):
        content(sound)
    for model in (NOVA, "amazon.nova-lite-v1:0", "global.amazon.nova-2-lite-v1:0"):
        with pytest.raises(BadRequest, match="takes no audio"):
            content(sound, model=model)
    with pytest.raises(BadRequest, match="takes no image"):
        content({"type": "image_url", "image_url": {"url": PNG}}, model="cohere.command-r-v1:0")


# ---------------------------------------------------------------- tools


def test_calls_and_results() -> None:
    """Calls stand behind the text; results that follow each other are blocks of one turn of the user."""
    again = {**CALL, "id": "2", "function": {"name": "g", "arguments": ""}}
    found = turns(
        HELLO,
        {"role": "assistant", "content": "a", "tool_calls": [CALL, again]},
        {"role": "tool", "tool_call_id": "call:1", "content": "x"},
        {"role": "tool", "tool_call_id": "2", "content": [{"type": "image_url", "image_url": {"url": PNG}}]},
        HELLO,
    )
    image = {"image": {"format": "png", "source": {"bytes": "AAAA"}}}
    assert found[1:] == [
        {
            "role": "assistant",
            "content": [
                {"text": "a"},
                {"toolUse": {"toolUseId": "call_1", "name": "f", "input": {"a": 1}}},
                {"toolUse": {"toolUseId": "2", "name": "g", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "call_1", "content": [{"text": "x"}]}},
                {"toolResult": {"toolUseId": "2", "content": [image]}},
                {"text": "hi"},
            ],
        },
    ]


def test_results_of_nothing() -> None:
    """A result that is empty says so: not every model takes one without words."""
    results: tuple[Any, ...] = ("", " ", [])
    for nothing in results:
        [*_, last] = turns(*CALLED[:2], {**CALLED[2], "content": nothing})
        assert last["content"][0]["toolResult"]["content"] == [{"text": NO_OUTPUT}]


def test_ids_that_are_too_long() -> None:
    """An id of another provider's, which may be thousands of characters long, is shortened alike in call and result."""
    ids = ["call_1_sig_" + "x" * 3000, "call_1_sig_" + "y" * 3000]
    calls = [{**CALL, "id": each} for each in ids]
    results = [{"role": "tool", "tool_call_id": each, "content": "1"} for each in ids]
    _, asked, answered = turns(HELLO, {"role": "assistant", "tool_calls": calls}, *results)
    made = [block["toolUse"]["toolUseId"] for block in asked["content"]]
    assert made == [block["toolResult"]["toolUseId"] for block in answered["content"]]
    assert len(set(made)) == 2
    assert all(len(each) <= 64 for each in made)


@pytest.mark.parametrize("arguments", ["[]", "5", "{", "nonsense"])
def test_arguments_that_are_no_object(arguments: str) -> None:
    """Arguments that are no JSON object are refused with their path."""
    call = {**CALL, "function": {"name": "f", "arguments": arguments}}
    with pytest.raises(BadRequest, match=r"messages\[1\]\.tool_calls\[0\]\.function\.arguments"):
        turns(HELLO, {"role": "assistant", "tool_calls": [call]})


# ---------------------------------------------------------------- cache points


def test_cache_points() -> None:
    """A mark of a part, a message or a result becomes a cache point behind it, with its time."""
    hour = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body, report = sent(
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "s", **hour}]},
            {"role": "user", "content": [{"type": "text", "text": "a", **MARK}, {"type": "text", "text": " ", **MARK}]},
            CALLED[1],
            {**CALLED[2], "content": [{"type": "text", "text": "x", **MARK}]},
            {**HELLO, **MARK},
        ]
    )
    assert body["system"][:2] == [{"text": "s"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert body["messages"][0]["content"] == [{"text": "a"}, POINT]
    result = {"toolResult": {"toolUseId": "call_1", "content": [{"text": "x"}]}}
    assert body["messages"][2]["content"] == [result, POINT, {"text": "hi"}, POINT]
    assert "dropped" not in report


def test_cache_points_where_there_are_none() -> None:
    """A model that has no cache points there is given none, and the report says so."""
    part: dict[str, Any] = {"type": "text", "text": "a", **MARK}
    body, report = sent("meta.llama3-8b-instruct-v1:0", messages=[{"role": "user", "content": [part]}])
    assert body["messages"] == [{"role": "user", "content": [{"text": "a"}]}]
    assert report["dropped"] == ["messages.cache_control"]
    assert content(part, model=NOVA) == [{"text": "a"}, POINT]
