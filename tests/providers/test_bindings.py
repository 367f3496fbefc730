"""Binding a served entity to its provider: what settings are wrong and where, and the head of every call."""

from __future__ import annotations

from typing import Any

import pytest

from cloche.domain.endpoint import ExternalModel
from cloche.domain.outbound import HttpCall, Origin
from cloche.providers.base import Embedder, Foreign, InvalidSettings, Translator
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.openai_texts import OpenAICompleter
from cloche.wire.openai import read_chat

SECRET = "sk-0123456789abcdef"
HELLO = read_chat(b'{"messages": [{"role": "user", "content": "hi"}]}')


def model(provider: str, **settings: Any) -> ExternalModel:
    """An external model with the provider's settings."""
    return ExternalModel("m", provider, "llm/v1/chat", settings)


def call(provider: str, **settings: Any) -> HttpCall:
    """A call of a model bound with those settings."""
    bound = PROVIDERS[provider].bind(model(provider, **settings))
    assert isinstance(bound, Translator)
    return bound.encode(HELLO, stream=False)


def faults(provider: str, **settings: Any) -> list[tuple[str, str]]:
    """What is wrong with those settings."""
    with pytest.raises(InvalidSettings) as caught:
        PROVIDERS[provider].bind(model(provider, **settings))
    return caught.value.problems


KEY = {"openai_api_key_plaintext": SECRET}
AZURE = {
    "openai_api_type": "azure",
    "openai_api_base": "https://x.openai.azure.com",
    "openai_api_version": "2024-10-21",
    "openai_deployment_name": "d",
}
ENTRA = {
    **AZURE,
    "openai_api_type": "azuread",
    "microsoft_entra_tenant_id": "t",
    "microsoft_entra_client_id": "i",
    "microsoft_entra_client_secret_plaintext": SECRET,
}
WRONG_OPENAI: list[tuple[dict[str, Any], str, str]] = [
    ({}, "openai_config.openai_api_key", "give openai_api_key or openai_api_key_plaintext"),
    ({"openai_api_key": "{{secrets/a/b}}"}, "openai_config.openai_api_key", "must be {{secrets/SCOPE/KEY}}"),
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
    (
        {**KEY, "openai_api_type": "x"},
        "openai_config.openai_api_type",
        "must be one of openai, azure, azuread, not 'x'",
    ),
    ({**KEY, "openai_api_version": "1"}, "openai_config.openai_api_version", "belongs to the types 'azure'"),
    ({**KEY, **AZURE, "openai_api_base": None}, "openai_config.openai_api_base", "this field is required by the type"),
    ({**AZURE}, "openai_config.openai_api_key", "give openai_api_key or"),
    ({**KEY, **AZURE, "microsoft_entra_client_id": "i"}, "openai_config.microsoft_entra_client_id", "belongs to the"),
    (
        {**ENTRA, "microsoft_entra_tenant_id": None},
        "openai_config.microsoft_entra_tenant_id",
        "this field is required by",
    ),
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
    ({**URL, "bearer_token_auth": {"token": "{{secrets/a/b}}"}}, f"{BEARER}.token", "must be {{secrets/SCOPE/KEY}}"),
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
AWS = {
    "aws_region": "us-east-1",
    "bedrock_provider": "Anthropic",
    "aws_access_key_id_plaintext": "AKIDEXAMPLE",
    "aws_secret_access_key_plaintext": SECRET,
}
GOOGLE = {"project_id": "p-1", "region": "europe-west1", "private_key_plaintext": '{"a":\n1}'}
ANTHROPIC = {"anthropic_api_key_plaintext": SECRET}
WORKSPACE = {"databricks_workspace_url": "https://w.example", "databricks_api_token_plaintext": SECRET}
WRONG_OTHERS: list[tuple[str, dict[str, Any], str, str]] = [
    ("anthropic", {}, "anthropic_config.anthropic_api_key", "give anthropic_api_key or"),
    ("anthropic", {**ANTHROPIC, "anthropic_base": "x"}, "anthropic_config.anthropic_base", "there is no such field"),
    ("cohere", {}, "cohere_config.cohere_api_key", "give cohere_api_key or"),
    (
        "cohere",
        {"cohere_api_key_plaintext": "k", "cohere_api_base": "x"},
        "cohere_config.cohere_api_base",
        "must be an",
    ),
    ("ai21labs", {}, "ai21labs_config.ai21labs_api_key", "give ai21labs_api_key or"),
    ("palm", {"palm_api_key_plaintext": SECRET}, "palm_config", "the PaLM API was shut down"),
    ("amazon-bedrock", {**AWS, "aws_region": "x/y"}, "amazon_bedrock_config.aws_region", "is no region"),
    ("amazon-bedrock", {**AWS, "bedrock_provider": "x"}, "amazon_bedrock_config.bedrock_provider", "must be one of"),
    (
        "amazon-bedrock",
        {**AWS, "uc_service_credential_name": "x"},
        "amazon_bedrock_config.uc_service_credential_name",
        "is not supported",
    ),
    (
        "google-cloud-vertex-ai",
        {**GOOGLE, "private_key_plaintext": None},
        "google_cloud_vertex_ai_config.private_key",
        "give private_key or",
    ),
    (
        "databricks-model-serving",
        {**WORKSPACE, "databricks_workspace_url": "w"},
        "databricks_model_serving_config.databricks_workspace_url",
        "must be an http:// or https:// URL",
    ),
]
WRONG = WRONG_OTHERS + [("openai", *row) for row in WRONG_OPENAI] + [("custom", *row) for row in WRONG_CUSTOM]


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
            "openai",
            {**KEY, **AZURE, "openai_deployment_name": "my model/2"},
            Origin("x.openai.azure.com", 443, tls=True),
            {
                "": "POST /openai/deployments/my%20model%2F2/chat/completions?api-version=2024-10-21 HTTP/1.1",
                "host": "x.openai.azure.com",
                "api-key": SECRET,
            },
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
        (
            "databricks-model-serving",
            WORKSPACE,
            Origin("w.example", 443, tls=True),
            {
                "": "POST /serving-endpoints/m/invocations HTTP/1.1",
                "host": "w.example",
                "authorization": f"Bearer {SECRET}",
            },
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


@pytest.mark.parametrize(
    ("provider", "settings"),
    [
        ("openai", KEY),
        ("openai", {**KEY, **AZURE}),
        ("custom", {**URL, "bearer_token_auth": {"token_plaintext": SECRET}}),
        ("databricks-model-serving", WORKSPACE),
    ],
)
def test_secrets_are_in_the_head_and_nowhere_else(provider: str, settings: dict[str, Any]) -> None:
    """What can be printed of a bound provider and of its calls bears no credential."""
    bound = PROVIDERS[provider].bind(model(provider, **settings))
    assert isinstance(bound, Translator)
    outbound = bound.encode(HELLO, stream=True)
    assert SECRET.encode() in outbound.head
    assert SECRET not in repr(bound) + str(bound) + repr(outbound) + str(outbound)


CHAT, COMPLETIONS, EMBEDDINGS = "llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings"
TASKS = [
    ("openai", CHAT, KEY, Translator),
    ("openai", COMPLETIONS, KEY, OpenAICompleter),
    ("openai", EMBEDDINGS, KEY, Embedder),
    ("databricks-model-serving", COMPLETIONS, WORKSPACE, OpenAICompleter),
    ("databricks-model-serving", EMBEDDINGS, WORKSPACE, Embedder),
    ("ai21labs", CHAT, {"ai21labs_api_key_plaintext": SECRET}, Translator),
    ("ai21labs", COMPLETIONS, {"ai21labs_api_key_plaintext": SECRET}, Foreign),
    ("anthropic", COMPLETIONS, {"anthropic_api_key_plaintext": SECRET}, Foreign),
    ("cohere", COMPLETIONS, {"cohere_api_key_plaintext": SECRET}, Foreign),
    ("cohere", EMBEDDINGS, {"cohere_api_key_plaintext": SECRET}, Embedder),
]


@pytest.mark.parametrize(("provider", "task", "settings", "kind"), TASKS, ids=lambda value: str(value)[:40])
def test_each_task_is_bound_to_what_does_it(provider: str, task: str, settings: dict[str, Any], kind: type) -> None:
    """What a model is called through is told by its task; where there are chats alone, a completion is asked in one."""
    assert task in PROVIDERS[provider].tasks
    bound = PROVIDERS[provider].bind(ExternalModel("m", provider, task, settings))
    assert isinstance(bound, kind)
    assert SECRET not in repr(bound)


def test_the_groups_are_those_of_the_api() -> None:
    """Each provider's settings stand in the object that the API gives it."""
    for name, kind in PROVIDERS.items():
        assert kind.group == ExternalModel("m", name, "llm/v1/chat").settings_name
    assert PROVIDERS["google-cloud-vertex-ai"].group == "google_cloud_vertex_ai_config"
