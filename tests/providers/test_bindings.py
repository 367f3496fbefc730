"""Binding a served entity to its provider: what settings are wrong and where, and the head of every call."""

from __future__ import annotations

from typing import Any

import pytest

from cloche.domain.endpoint import ExternalModel
from cloche.domain.outbound import HttpCall, Origin
from cloche.providers import custom, openai
from cloche.providers.base import InvalidSettings
from cloche.providers.catalogue import PROVIDERS
from cloche.wire.openai import read_chat

SECRET = "sk-0123456789abcdef"
HELLO = read_chat(b'{"messages": [{"role": "user", "content": "hi"}]}')


def model(provider: str, **settings: Any) -> ExternalModel:
    """An external model with the provider's settings."""
    return ExternalModel("m", provider, "llm/v1/chat", settings)


def call(provider: str, **settings: Any) -> HttpCall:
    """A call of a model bound with those settings."""
    return PROVIDERS[provider].bind(model(provider, **settings)).encode(HELLO, stream=False)


def faults(provider: str, **settings: Any) -> list[tuple[str, str]]:
    """What is wrong with those settings."""
    with pytest.raises(InvalidSettings) as caught:
        PROVIDERS[provider].bind(model(provider, **settings))
    return caught.value.problems


KEY = {"openai_api_key_plaintext": SECRET}
WRONG_OPENAI: list[tuple[dict[str, Any], str, str]] = [
    ({}, "openai_config.openai_api_key", "give openai_api_key or openai_api_key_plaintext"),
    ({"openai_api_key": "{{secrets/a/b}}"}, "openai_config.openai_api_key", "secret references cannot be resolved yet"),
    (
        {**KEY, "openai_api_key": "x"},
        "openai_config.openai_api_key",
        "give either openai_api_key or openai_api_key_plain",
    ),
    ({"openai_api_key_plaintext": ""}, "openai_config.openai_api_key_plaintext", "must be printable ASCII"),
    ({"openai_api_key_plaintext": SECRET + "\r\nx: y"}, "openai_config.openai_api_key_plaintext", "must be printable"),
    ({"openai_api_key_plaintext": SECRET + "é"}, "openai_config.openai_api_key_plaintext", "must be printable ASCII"),
    ({"openai_api_key_plaintext": 5}, "openai_config.openai_api_key_plaintext", "expected str | null, got int"),
    ({**KEY, "openai_api_base": "ftp://h"}, "openai_config.openai_api_base", "must be an http:// or https:// URL"),
    ({**KEY, "openai_api_base": "h/v1"}, "openai_config.openai_api_base", "must be an http:// or https:// URL"),
    ({**KEY, "openai_api_base": "https://"}, "openai_config.openai_api_base", "must be an http:// or https:// URL"),
    ({**KEY, "openai_api_base": "https://h:99999"}, "openai_config.openai_api_base", "is not a URL"),
    ({**KEY, "openai_api_base": "https://[::1"}, "openai_config.openai_api_base", "is not a URL"),
    ({**KEY, "openai_api_base": "https://u:p@h/v1"}, "openai_config.openai_api_base", "must have no user name"),
    ({**KEY, "openai_api_base": "https://h/v1#a"}, "openai_config.openai_api_base", "must have no user name"),
    ({**KEY, "openai_api_base": "https://h/a b"}, "openai_config.openai_api_base", "must be printable ASCII without"),
    ({**KEY, "openai_api_base": "https://h/é"}, "openai_config.openai_api_base", "must be printable ASCII without"),
    ({**KEY, "openai_api_type": "azure"}, "openai_config.openai_api_type", "'azure' is not supported yet"),
    ({**KEY, "openai_organization": "a\nb"}, "openai_config.openai_organization", "must be printable ASCII"),
    ({**KEY, "openai_apibase": "x"}, "openai_config.openai_apibase", "there is no such field"),
]
URL = {"custom_provider_url": "http://h/v1"}
BEARER = "custom_provider_config.bearer_token_auth"
API_KEY = "custom_provider_config.api_key_auth"
WRONG_CUSTOM: list[tuple[dict[str, Any], str, str]] = [
    ({}, "custom_provider_config.custom_provider_url", "this field is required"),
    ({"custom_provider_url": "h"}, "custom_provider_config.custom_provider_url", "must be an http:// or https:// URL"),
    ({**URL, "bearer_token_auth": {}}, f"{BEARER}.token", "give token or token_plaintext"),
    ({**URL, "bearer_token_auth": {"token": "{{secrets/a/b}}"}}, f"{BEARER}.token", "secret references cannot"),
    ({**URL, "bearer_token_auth": {"token_plaintext": "a\0"}}, f"{BEARER}.token_plaintext", "must be printable"),
    ({**URL, "bearer_token_auth": {"tokn": "a"}}, f"{BEARER}.tokn", "there is no such field"),
    ({**URL, "api_key_auth": {"value_plaintext": "x"}}, f"{API_KEY}.key", "this field is required"),
    ({**URL, "api_key_auth": {"key": "api-key"}}, f"{API_KEY}.value", "give value or value_plaintext"),
    ({**URL, "api_key_auth": {"key": "a b", "value_plaintext": "x"}}, f"{API_KEY}.key", "'a b' cannot be the name"),
    ({**URL, "api_key_auth": {"key": "", "value_plaintext": "x"}}, f"{API_KEY}.key", "must be printable ASCII"),
    ({**URL, "api_key_auth": {"key": "Host", "value_plaintext": "x"}}, f"{API_KEY}.key", "'Host' cannot be the name"),
    ({**URL, "api_key_auth": {"key": "a:", "value_plaintext": "x"}}, f"{API_KEY}.key", "'a:' cannot be the name"),
    (
        {**URL, "api_key_auth": {"key": "k", "value_plaintext": "x"}, "bearer_token_auth": {"token_plaintext": "x"}},
        "custom_provider_config",
        "give either bearer_token_auth or api_key_auth, not both",
    ),
]
WRONG = [("openai", *row) for row in WRONG_OPENAI] + [("custom", *row) for row in WRONG_CUSTOM]


@pytest.mark.parametrize(("provider", "settings", "path", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_settings_are_named(provider: str, settings: dict[str, Any], path: str, words: str) -> None:
    """Each wrong setting is reported with its path below the entity, and no credential is in the words."""
    [(where, what)] = faults(provider, **settings)
    assert where == path
    assert what.startswith(words)
    assert SECRET not in what


def head(call: HttpCall) -> dict[str, str]:
    """The head of a call, its request line under the empty name."""
    assert call.head.endswith(b"\r\n")
    assert not call.head.endswith(b"\r\n\r\n")
    first, *lines = call.head.decode("ascii").split("\r\n")[:-1]
    fields = dict(line.split(": ", 1) for line in lines)
    assert len(fields) == len(lines)
    return {"": first, **fields}


COMMON = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "cloche"}


@pytest.mark.parametrize(
    ("provider", "settings", "origin", "expected"),
    [
        (
            "openai",
            KEY,
            Origin("api.openai.com", 443, tls=True),
            {"": "POST /v1/chat/completions HTTP/1.1", "host": "api.openai.com", "authorization": f"Bearer {SECRET}"},
        ),
        (
            "openai",
            {
                **KEY,
                "openai_api_base": "http://127.0.0.1:8080/x/",
                "openai_organization": "org",
                "openai_api_type": "openai",
            },
            Origin("127.0.0.1", 8080),
            {
                "": "POST /x/chat/completions HTTP/1.1",
                "host": "127.0.0.1:8080",
                "authorization": f"Bearer {SECRET}",
                "openai-organization": "org",
            },
        ),
        (
            "openai",
            {**KEY, "openai_api_base": "https://[::1]:443"},
            Origin("::1", 443, tls=True),
            {"": "POST /chat/completions HTTP/1.1", "host": "[::1]", "authorization": f"Bearer {SECRET}"},
        ),
        (
            "custom",
            {**URL, "bearer_token_auth": {"token_plaintext": SECRET}},
            Origin("h", 80),
            {"": "POST /v1/chat/completions HTTP/1.1", "host": "h", "authorization": f"Bearer {SECRET}"},
        ),
        (
            "custom",
            {"custom_provider_url": "https://h", "api_key_auth": {"key": "Api-Key", "value_plaintext": SECRET}},
            Origin("h", 443, tls=True),
            {"": "POST /chat/completions HTTP/1.1", "host": "h", "api-key": SECRET},
        ),
        (
            "custom",
            {"custom_provider_url": "http://h:80/deep/chat?api-version=1"},
            Origin("h", 80),
            {"": "POST /deep/chat?api-version=1 HTTP/1.1", "host": "h"},
        ),
        (
            "custom",
            {"custom_provider_url": "http://h/v1?x=1"},
            Origin("h", 80),
            {"": "POST /v1?x=1 HTTP/1.1", "host": "h"},
        ),
    ],
)
def test_the_head_of_every_call(
    provider: str, settings: dict[str, Any], origin: Origin, expected: dict[str, str]
) -> None:
    """The head is rendered once, with the right path, host and credentials, and without length or end."""
    bound = call(provider, **settings)
    assert bound.origin == origin
    assert head(bound) == {**COMMON, **expected}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_secrets_are_in_the_head_and_nowhere_else(provider: str) -> None:
    """What can be printed of a bound provider and of its calls bears no credential."""
    settings = KEY if provider == "openai" else {**URL, "bearer_token_auth": {"token_plaintext": SECRET}}
    bound = PROVIDERS[provider].bind(model(provider, **settings))
    outbound = bound.encode(HELLO, stream=True)
    assert SECRET.encode() in outbound.head
    assert SECRET not in repr(bound) + str(bound) + repr(outbound) + str(outbound)


def test_the_groups_are_those_of_the_api() -> None:
    """Each provider's settings stand in the object that the API gives it."""
    assert {name: kind.group for name, kind in PROVIDERS.items()} == {"openai": openai.GROUP, "custom": custom.GROUP}
    assert (openai.GROUP, custom.GROUP) == ("openai_config", "custom_provider_config")
