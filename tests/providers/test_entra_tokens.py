"""Tokens of Microsoft Entra ID: what is asked for, and what becomes of refusals."""

from __future__ import annotations

from typing import Any

import pytest

from cloche.domain.chat import ChatRequest
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import ProviderCredentials
from cloche.domain.lending import Lent, Source
from cloche.domain.outbound import Origin
from cloche.providers import openai
from cloche.providers.base import InvalidSettings
from cloche.providers.openai_shaped import OpenAIShaped
from cloche.wire.openai import read_chat

from .lending_steps import NOW, answer, form, request_line, take

SETTINGS = {
    "openai_api_type": "azuread",
    "openai_api_base": "https://x.openai.azure.com",
    "openai_api_version": "2024-10-21",
    "openai_deployment_name": "d",
    "microsoft_entra_tenant_id": "tenant/1",
    "microsoft_entra_client_id": "client",
    "microsoft_entra_client_secret_plaintext": "secret-value",
}
HELLO: ChatRequest = read_chat(b'{"messages": [{"role": "user", "content": "hi"}]}')


def bound(**settings: Any) -> OpenAIShaped:
    """A deployment that is called with tokens."""
    found = openai.bind(ExternalModel("gpt-4o", "openai", "llm/v1/chat", SETTINGS | settings))
    assert isinstance(found, OpenAIShaped)
    return found


def source(**settings: Any) -> Source:
    """Where its tokens come from."""
    authorizer = bound(**settings).encode(HELLO, stream=False).authorizer
    assert authorizer is not None
    return authorizer.source


def test_an_application_asks_with_its_secret() -> None:
    """The tenant's token server gets the application's id and secret, and what the token is for."""
    [call], lent = take(source(), answer({"access_token": "eyJ", "expires_in": 3599, "token_type": "Bearer"}))
    assert request_line(call) == "login.microsoftonline.com POST /tenant%2F1/oauth2/v2.0/token"
    assert form(call) == {
        "grant_type": "client_credentials",
        "client_id": "client",
        "client_secret": "secret-value",
        "scope": "https://cognitiveservices.azure.com/.default",
    }
    assert lent == Lent({"token": "eyJ"}, NOW + 3599)
    assert "secret-value" not in f"{call!r} {lent!r} {source()!r}"


@pytest.mark.parametrize(
    ("authority", "line", "scope"),
    [
        ("https://login.microsoftonline.us/", "login.microsoftonline.us POST /tenant%2F1", "azure.us"),
        ("https://login.partner.microsoftonline.cn", "login.partner.microsoftonline.cn POST /tenant%2F1", "azure.cn"),
        ("http://127.0.0.1:8080/entra", "127.0.0.1 POST /entra/tenant%2F1", "azure.com"),
    ],
)
def test_other_clouds(authority: str, line: str, scope: str) -> None:
    """Each cloud has a token server and resources of its own."""
    [call], _ = take(source(microsoft_entra_authority=authority), answer({"access_token": "t", "expires_in": 1}))
    assert request_line(call) == f"{line}/oauth2/v2.0/token"
    assert form(call)["scope"] == f"https://cognitiveservices.{scope}/.default"


def test_the_calls_bear_no_key() -> None:
    """The head is the deployment's, and the token comes when the call is sent."""
    call = bound().encode(HELLO, stream=False)
    assert call.origin == Origin("x.openai.azure.com", 443, tls=True)
    assert call.head.startswith(b"POST /openai/deployments/d/chat/completions?api-version=2024-10-21 HTTP/1.1\r\n")
    assert b"api-key" not in call.head
    assert b"authorization" not in call.head


def test_a_refusal_is_told_by_its_codes() -> None:
    """Entra's own numbers say what is wrong; its words, which tell ids, are not passed on."""
    body = {"error": "invalid_client", "error_description": "AADSTS7000215: app 1234", "error_codes": [7000215]}
    with pytest.raises(ProviderCredentials) as caught:
        take(source(), answer(body, 401))
    assert "Microsoft Entra ID refused" in caught.value.message
    assert "(status 401, invalid_client, AADSTS7000215)" in caught.value.message
    assert "app 1234" not in caught.value.message


@pytest.mark.parametrize(
    ("settings", "path", "words"),
    [
        ({"microsoft_entra_authority": "http://login.example"}, "microsoft_entra_authority", "must be an https:// URL"),
        ({"microsoft_entra_authority": "https://h/?x=1"}, "microsoft_entra_authority", "must have no query"),
        ({"microsoft_entra_client_secret_plaintext": None}, "microsoft_entra_client_secret", "give microsoft_entra"),
        ({"microsoft_entra_tenant_id": None}, "microsoft_entra_tenant_id", "this field is required"),
        ({"openai_api_type": "azure", "openai_api_key_plaintext": "k"}, "microsoft_entra_tenant_id", "belongs to the"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], path: str, words: str) -> None:
    """Each fault is told with its field, and without the secret."""
    with pytest.raises(InvalidSettings) as caught:
        bound(**settings)
    where, what = caught.value.problems[0]
    assert where == f"openai_config.{path}"
    assert what.startswith(words)
    assert "secret-value" not in str(caught.value.problems)
