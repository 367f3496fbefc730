"""Messages that clients send back as an answer had them: every translator takes them and tells what it leaves out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.chat import ChatParams
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import BadRequest, CallerFault
from cloche.domain.translation import Report
from cloche.providers.base import Foreign
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.mapping import CASES, bound
from cloche.providers.openai_shaped import NOT_FORWARDED
from cloche.wire.openai import read_chat

FOREIGN = {
    f"{name} {label}": model
    for name, kind in PROVIDERS.items()
    for label, model in kind.profile.examples.items()
    if isinstance(bound(model), Foreign)
}
INVOKED = {
    model: ExternalModel(
        model,
        "amazon-bedrock",
        "llm/v1/chat",
        {
            "aws_region": "us-east-1",
            "bedrock_provider": maker,
            "bedrock_api_type": "invoke",
            "aws_access_key_id_plaintext": "AKIAEXAMPLE00000",
            "aws_secret_access_key_plaintext": "x" * 40,
        },
    )
    for model, maker in (
        ("anthropic.claude-haiku-4-5", "anthropic"),
        ("amazon.nova-lite-v1:0", "amazon"),
        ("amazon.titan-text-express-v1", "amazon"),
        ("cohere.command-r-v1:0", "cohere"),
        ("meta.llama3-8b-instruct-v1:0", "meta"),
        ("mistral.mistral-large-2407-v1:0", "mistral"),
        ("ai21.jamba-1-5-mini-v1:0", "ai21labs"),
    )
}
ALL = FOREIGN | INVOKED

USER = {"role": "user", "content": "hi"}
CITED = {"type": "url_citation", "url_citation": {"url": "https://a.test/", "title": "A"}}
SENT_BACK: list[tuple[dict[str, Any], str]] = [
    ({"annotations": [CITED]}, "messages.annotations"),
    ({"citations": [{"title": "A"}]}, "messages.citations"),
    ({"provider_content": [{"groundingMetadata": {}}]}, "messages.provider_content"),
    ({"reasoning_content": "hm"}, "messages.reasoning_content"),
    ({"content": [{"type": "text", "text": "a", "annotations": [CITED]}]}, "messages.content.annotations"),
]


def encoded(model: ExternalModel, report: Report, *messages: dict[str, Any]) -> str:
    """The body that the provider gets."""
    translator = bound(model)
    assert isinstance(translator, Foreign)
    call = translator.encode(read_chat(json.dumps({"messages": messages}).encode()), report, stream=False)
    return b"".join(bytes(piece) for piece in call.body).decode()


@pytest.mark.parametrize("model", ALL.values(), ids=ALL.keys())
@pytest.mark.parametrize(("fields", "told"), SENT_BACK, ids=[told for _, told in SENT_BACK])
def test_what_an_answer_had_is_not_lost_in_silence(model: ExternalModel, fields: dict[str, Any], told: str) -> None:
    """A field of a message that goes no further is in the report, and a strict one refuses it."""
    answer = {"role": "assistant", "content": "a", **fields}
    report = Report()
    encoded(model, report, USER, answer, USER)
    assert told in report.fates()["dropped"]
    with pytest.raises(BadRequest, match=told):
        encoded(model, Report(strict=True), USER, answer, USER)


@pytest.mark.parametrize("model", ALL.values(), ids=ALL.keys())
def test_what_says_nothing_is_nobodys_loss(model: ExternalModel) -> None:
    """The empty fields that clients send with every message are not told of, and no strict report minds them."""
    answer: dict[str, Any] = {
        "role": "assistant",
        "content": "a",
        "refusal": None,
        "audio": None,
        "annotations": [],
        "tool_calls": None,
    }
    encoded(model, Report(strict=True), USER, answer, USER)


@pytest.mark.parametrize("model", ALL.values(), ids=ALL.keys())
def test_a_refusal_sent_back(model: ExternalModel) -> None:
    """A message that refuses has no content, as OpenAI gives it, and its words are what was said."""
    assert "I will not" in encoded(
        model, Report(), USER, {"role": "assistant", "content": None, "refusal": "I will not"}, USER
    )


@pytest.mark.parametrize("model", ALL.values(), ids=ALL.keys())
def test_a_null_field_is_none(model: ExternalModel) -> None:
    """A field that is null is not given, also one that cloche does not know: strict reports do not mind it."""
    translator = bound(model)
    assert isinstance(translator, Foreign)
    body = json.dumps({"messages": [USER], "store": None, "house_style": None, "seed": None}).encode()
    call = translator.encode(read_chat(body), Report(strict=True), stream=False)
    assert "null" not in b"".join(bytes(piece) for piece in call.body).decode()


def test_every_field_is_tried() -> None:
    """The cases from which the pages are made, and every provider is tested, have each field of a request."""
    tried = {field for case in CASES.values() for field in (*case.fields, *case.beside)}
    assert set(ChatParams.__struct_fields__) - NOT_FORWARDED - tried == set()


@pytest.mark.parametrize("model", INVOKED.values(), ids=INVOKED.keys())
def test_every_field_has_a_fate(model: ExternalModel) -> None:
    """Also of InvokeModel's families, of which no page has an example, each tells of every field."""
    translator, untold = bound(model), []
    assert isinstance(translator, Foreign)
    for name, case in CASES.items():
        [field] = case.fields
        report = Report()
        body = json.dumps({"messages": [USER], **case.beside, **case.fields}).encode()
        try:
            translator.encode(read_chat(body), report, stream=False)
        except CallerFault:
            continue
        told = {each.partition(".")[0] for fields in report.fates().values() for each in fields}
        if field not in told and field not in NOT_FORWARDED and field != "n":
            untold.append(name)
    assert untold == []
