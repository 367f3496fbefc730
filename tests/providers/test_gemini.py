"""The Gemini API as a provider: its settings, where a call goes, and what its refusals mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import (
    Problem,
    ProviderBroken,
    ProviderBusy,
    ProviderCredentials,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
)
from cloche.domain.outbound import Origin
from cloche.domain.translation import Report
from cloche.providers import gemini
from cloche.providers.base import InvalidSettings
from cloche.providers.catalogue import PROVIDERS
from cloche.wire.openai import read_chat

KEY = "AIza0123456789abcdef"
HELLO = read_chat(b'{"messages": [{"role": "user", "content": "hi"}]}')


def model(name: str = "gemini-2.5-flash", **settings: Any) -> ExternalModel:
    """A model with a key, and other settings where they are given."""
    return ExternalModel(name, "gemini", "llm/v1/chat", {"gemini_api_key_plaintext": KEY} | settings)


def head(bound: gemini.Gemini, *, stream: bool) -> str:
    """The head of a call."""
    return bound.encode(HELLO, Report(), stream=stream).head.decode()


def test_a_call_goes_to_the_model_with_the_key_in_a_header() -> None:
    """Whole answers and streams have paths of their own; the key is in no URL."""
    bound = gemini.bind(model())
    whole, stream = head(bound, stream=False), head(bound, stream=True)
    assert whole.startswith("POST /v1beta/models/gemini-2.5-flash:generateContent HTTP/1.1\r\n")
    assert stream.startswith("POST /v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse HTTP/1.1\r\n")
    for each in (whole, stream):
        assert f"x-goog-api-key: {KEY}\r\n" in each
        assert KEY not in each.partition("\r\n")[0]
    origin = bound.encode(HELLO, Report(), stream=False).origin
    assert origin == Origin("generativelanguage.googleapis.com", 443, tls=True)


def test_the_base_can_be_another() -> None:
    """A base URL of one's own takes the place of Google's; a name with a slash names its collection."""
    bound = gemini.bind(model("tunedModels/mine", gemini_api_base="http://127.0.0.1:9/g/"))
    assert head(bound, stream=False).startswith(
        "POST /g/tunedModels/mine:generateContent HTTP/1.1\r\nhost: 127.0.0.1:9"
    )


def test_the_catalogue_binds_it() -> None:
    """The provider is found under its name."""
    assert isinstance(PROVIDERS["gemini"].bind(model()), gemini.Gemini)


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (model(gemini_api_key="{{secrets/a/b}}"), "gemini_config.gemini_api_key"),
        (model(gemini_api_key_plaintext=None), "gemini_config.gemini_api_key"),
        (model(gemini_api_key_plaintext="a\nb"), "gemini_config.gemini_api_key_plaintext"),
        (model(gemini_api_base="ftp://x"), "gemini_config.gemini_api_base"),
        (model(gemini_api_base="http://x/v1?key=1"), "gemini_config.gemini_api_base"),
        (model(other=1), "gemini_config.other"),
        (model("../files/x"), "name"),
        (model("a b"), "name"),
    ],
)
def test_wrong_settings_are_named(wrong: ExternalModel, path: str) -> None:
    """Each fault is told with the path of its field."""
    with pytest.raises(InvalidSettings) as caught:
        gemini.bind(wrong)
    assert [where for where, _ in caught.value.problems] == [path]


def refused(status: int, google: str, *details: dict[str, Any]) -> Problem:
    """What an error in Google's shape means."""
    error = {"code": status, "message": f"it said {KEY}", "status": google, "details": details}
    return gemini.bind(model()).error(status, {}, json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    ("status", "google", "kind", "answered"),
    [
        (400, "INVALID_ARGUMENT", ProviderRefused, 400),
        (404, "NOT_FOUND", ProviderRefused, 404),
        (401, "UNAUTHENTICATED", ProviderCredentials, 500),
        (403, "PERMISSION_DENIED", ProviderCredentials, 500),
        (429, "RESOURCE_EXHAUSTED", ProviderBusy, 429),
        (500, "INTERNAL", ProviderBroken, 502),
        (503, "UNAVAILABLE", ProviderUnavailable, 503),
        (504, "DEADLINE_EXCEEDED", ProviderTimeout, 504),
    ],
)
def test_refusals_by_status(status: int, google: str, kind: type[Problem], answered: int) -> None:
    """The status says whose fault it is; no message shows the key."""
    problem = refused(status, google)
    assert type(problem) is kind
    assert problem.status == answered
    assert KEY not in problem.message


def test_a_wrong_key_is_a_400_of_googles() -> None:
    """The reason in the details tells a wrong key from a wrong request."""
    problem = refused(400, "INVALID_ARGUMENT", {"@type": "t", "reason": "API_KEY_INVALID", "metadata": {"a": "b"}})
    assert type(problem) is ProviderCredentials


def test_the_time_to_wait_is_read_from_the_details() -> None:
    """Google says in the body when to come back."""
    assert refused(429, "RESOURCE_EXHAUSTED", {"@type": "t", "retryDelay": "17.4s"}).retry_after == 18
    headers = {b"retry-after": b"3"}
    body = b'{"error": {"details": [{"retryDelay": "17s"}]}}'
    assert gemini.bind(model()).error(429, headers, body).retry_after == 3


def test_an_error_without_json_is_told_by_its_status() -> None:
    """A page of some proxy is no reason to fail otherwise."""
    assert type(gemini.bind(model()).error(503, {}, b"<html>")) is ProviderUnavailable
