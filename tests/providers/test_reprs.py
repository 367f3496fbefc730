"""What a provider is bound to shows no credential, wherever a traceback or a log may print it."""

from __future__ import annotations

import pytest

from cloche.domain.endpoint import ExternalModel
from cloche.providers.catalogue import PROVIDERS

KEY = "marked5f3e9a71"
MODELS = {"openai": "gpt-5-mini", "anthropic": "claude-sonnet-4-5", "cohere": "command-r"}


@pytest.mark.parametrize("provider", MODELS)
def test_no_repr_shows_a_key(provider: str) -> None:
    """Neither the settings', nor the bound provider's, nor that of the place where its calls go."""
    model = ExternalModel(MODELS[provider], provider, "llm/v1/chat", {f"{provider}_api_key_plaintext": KEY})
    bound = PROVIDERS[provider].bind(model)
    parts = [getattr(bound, name) for kind in type(bound).__mro__ for name in getattr(kind, "__slots__", ())]
    parts += list(getattr(bound, "__dict__", {}).values())
    sites = [part for part in parts if type(part).__name__ == "Site"]
    assert sites
    assert KEY not in repr((model, bound, sites))
