"""All that is wrong with a provider's settings is told at once, each fault by its field and in words that help."""

from __future__ import annotations

from typing import Any

import pytest

from cloche.domain.endpoint import ExternalModel
from cloche.providers.base import InvalidSettings
from cloche.providers.catalogue import PROVIDERS

SECRET = "sk-0123456789abcdef"


def faults(provider: str, settings: dict[str, Any]) -> dict[str, str]:
    """What is wrong, by the field's path in the settings object."""
    kind = PROVIDERS[provider]
    with pytest.raises(InvalidSettings) as caught:
        kind.bind(ExternalModel("m", provider, "llm/v1/chat", settings))
    assert len(dict(caught.value.problems)) == len(caught.value.problems)
    return {path.removeprefix(f"{kind.group}."): what for path, what in caught.value.problems}


ALL: list[tuple[str, dict[str, Any], set[str]]] = [
    ("openai", {"openai_api_base": "h", "openai_organization": "a\nb"}, {"key", "api_base", "organization"}),
    ("openai", {"openai_api_type": "azure"}, {"key", "api_base", "api_version", "deployment_name"}),
    (
        "openai",
        {"openai_api_type": "azuread"},
        {"api_base", "api_version", "deployment_name", "tenant_id", "client_id", "client_secret"},
    ),
    ("anthropic", {"api_key": SECRET, "anthropic_api_base": "h"}, {"api_key", "anthropic_api_key", "api_base"}),
    ("cohere", {"cohere_api_key_plaintext": 5, "cohere_api_base": "h"}, {"cohere_api_key_plaintext", "api_base"}),
    ("ai21labs", {"ai21labs_api_base": "h"}, {"key", "base"}),
    ("gemini", {"gemini_api_base": "h"}, {"key", "base"}),
    ("mistral", {"mistral_api_base": "h"}, {"key", "base"}),
    ("llama-cpp", {"llama_cpp_api_key_plaintext": "a\nb"}, {"key_plaintext", "base"}),
    ("databricks-model-serving", {}, {"workspace_url", "token"}),
    ("custom", {"bearer_token_auth": {}}, {"provider_url", "token"}),
    (
        "custom",
        {"custom_provider_url": "h", "api_key_auth": {"key": "a b"}},
        {"provider_url", "api_key_auth.key", "value"},
    ),
    ("amazon-bedrock", {}, {"aws_region", "bedrock_provider", "access_key_id", "secret_access_key"}),
    (
        "amazon-bedrock",
        {"aws_region": "us east", "bedrock_provider": 5, "aws_regions": "x", "bedrock_api_type": "Invoke"},
        {"aws_region", "bedrock_provider", "aws_regions", "api_type", "access_key_id", "secret_access_key"},
    ),
    ("google-cloud-vertex-ai", {}, {"project_id", "region", "private_key"}),
    (
        "google-cloud-vertex-ai",
        {"project_id": "p q", "region": "a/b", "private_key_plaintext": "{", "vertex_token_uri": "h"},
        {"project_id", "region", "private_key_plaintext", "token_uri"},
    ),
]


@pytest.mark.parametrize(("provider", "settings", "fields"), ALL)
def test_every_fault_is_told(provider: str, settings: dict[str, Any], fields: set[str]) -> None:
    """Wrong, missing and unknown fields together, each once; `fields` are the ends of their names."""
    found = faults(provider, settings)
    assert all(any(path.endswith(field) for path in found) for field in fields), found
    assert len(found) == len(fields), found
    assert SECRET not in str(found)


KEY = {"openai_api_key_plaintext": SECRET}
SERVICE_ACCOUNT = '{"private_key": "-----BEGIN\nsk-0123456789abcdef"}'
HELP: list[tuple[str, dict[str, Any], str, str]] = [
    ("openai", {**KEY, "key": "x"}, "key", "there is no such field; there are: openai_api_key, openai_api_key_plain"),
    ("openai", {"openai_api_key_plaintext": "{{secrets/a/b}}"}, "openai_api_key_plaintext", "is a reference, which go"),
    ("openai", {"openai_api_key_plaintext": f"Bearer {SECRET}"}, "openai_api_key_plaintext", "must be the key alone"),
    ("openai", {**KEY, "openai_api_base": "https://h/v1?x=1"}, "openai_api_base", "must have no query"),
    ("openai", {**KEY, "openai_api_base": "https://h/v1/chat/completions"}, "openai_api_base", "is the URL of a call"),
    ("ollama", {"ollama_api_base": "http://h/v1/embeddings/"}, "ollama_api_base", "is the URL of a call"),
    ("google-cloud-vertex-ai", {"private_key_plaintext": {"a": SECRET}}, "private_key_plaintext", "must be text: put"),
    (
        "google-cloud-vertex-ai",
        {"private_key_plaintext": SERVICE_ACCOUNT},
        "private_key_plaintext",
        "must be JSON, as Google gives it; a line break within one of its texts is written \\n",
    ),
    (
        "google-cloud-vertex-ai",
        {"private_key_plaintext": f"-----BEGIN {SECRET}"},
        "private_key_plaintext",
        "must be JSON, as Google gives it: this is the key alone",
    ),
    (
        "google-cloud-vertex-ai",
        {"private_key_plaintext": f"/home/{SECRET}.json"},
        "private_key_plaintext",
        "must be JSON, as Google gives it, and not a file's name",
    ),
]


@pytest.mark.parametrize(("provider", "settings", "field", "words"), HELP)
def test_words_help(provider: str, settings: dict[str, Any], field: str, words: str) -> None:
    """Mistakes that people make are told as what they are, without the secret."""
    found = faults(provider, settings)
    assert found[field].startswith(words)
    assert SECRET not in str(found)
