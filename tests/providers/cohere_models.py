"""A served entity behind Cohere's chat API, bound: what its tests have in common."""

from __future__ import annotations

from cloche.domain.endpoint import ExternalModel
from cloche.providers import cohere

SECRET = "co-0123456789abcdef"


def chat_model(name: str = "m", **settings: str) -> cohere.Cohere:
    """A model with a key and these settings."""
    given = {"cohere_api_key_plaintext": SECRET, **settings}
    bound = cohere.bind(ExternalModel(name, "cohere", "llm/v1/chat", given))
    assert isinstance(bound, cohere.Cohere)
    return bound
