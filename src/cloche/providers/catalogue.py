"""Which providers there are: name, the settings object they take, what their models do, and how one is bound."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

from cloche.domain.endpoint import CHAT_TASK, COMPLETIONS_TASK, EMBEDDINGS_TASK, TASKS, ExternalModel
from cloche.providers import (
    ai21labs,
    anthropic,
    bedrock,
    cohere,
    compatible,
    custom,
    databricks,
    gemini,
    openai,
    palm,
    vertex,
)
from cloche.providers.base import Bound
from cloche.providers.profile import Profile


class ProviderKind(NamedTuple):
    """`group`: the name of the settings object inside `external_model`.  `tasks`: what its models do.  `bind`: binds a
    model whose credentials are in place; raises InvalidSettings.  `profile`: what is told of it.  `known_as`: what
    people call it besides, for who gets its name wrong."""

    group: str
    tasks: tuple[str, ...]
    bind: Callable[[ExternalModel], Bound]
    profile: Profile
    known_as: tuple[str, ...] = ()


PROVIDERS = MappingProxyType(
    {
        "ai21labs": ProviderKind(ai21labs.GROUP, (CHAT_TASK, COMPLETIONS_TASK), ai21labs.bind, ai21labs.PROFILE),
        "amazon-bedrock": ProviderKind(bedrock.GROUP, TASKS, bedrock.bind, bedrock.PROFILE, ("aws",)),
        "anthropic": ProviderKind(anthropic.GROUP, (CHAT_TASK, COMPLETIONS_TASK), anthropic.bind, anthropic.PROFILE),
        "cohere": ProviderKind(cohere.GROUP, TASKS, cohere.bind, cohere.PROFILE),
        "custom": ProviderKind(custom.GROUP, (CHAT_TASK,), custom.bind, custom.PROFILE),
        "databricks-model-serving": ProviderKind(databricks.GROUP, TASKS, databricks.bind, databricks.PROFILE),
        "gemini": ProviderKind(gemini.GROUP, (CHAT_TASK,), gemini.bind, gemini.PROFILE, ("google",)),
        "google-cloud-vertex-ai": ProviderKind(vertex.GROUP, (CHAT_TASK, EMBEDDINGS_TASK), vertex.bind, vertex.PROFILE),
        "openai": ProviderKind(openai.GROUP, TASKS, openai.bind, openai.PROFILE, ("azure", "azuread")),
        "palm": ProviderKind(palm.GROUP, TASKS, palm.bind, palm.PROFILE),
        **{
            name: ProviderKind(compatible.group(name), (CHAT_TASK,), compatible.bind, compatible.profile(name))
            for name in compatible.SERVICES
        },
    }
)
