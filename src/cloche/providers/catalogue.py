"""Which providers there are: name, the settings object they take, what their models do, and how one is bound."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

from cloche.domain.endpoint import CHAT_TASK, TASKS, ExternalModel
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
from cloche.providers.base import Foreign, Translator
from cloche.providers.untranslated import Untranslated

COMPLETIONS, EMBEDDINGS = TASKS[1:]


class ProviderKind(NamedTuple):
    """`group`: the name of the settings object inside `external_model`.  `tasks`: what its models do."""

    group: str
    tasks: tuple[str, ...]
    translator: Callable[[ExternalModel], Translator | Foreign]

    def bind(self, model: ExternalModel) -> Translator | Foreign:
        """The translator for a model whose credentials are in place.  Raises InvalidSettings."""
        bound = self.translator(model)
        return bound if model.task == CHAT_TASK else Untranslated(f"the task '{model.task}'", model.name)


PROVIDERS = MappingProxyType(
    {
        "ai21labs": ProviderKind(ai21labs.GROUP, (CHAT_TASK, COMPLETIONS), ai21labs.bind),
        "amazon-bedrock": ProviderKind(bedrock.GROUP, TASKS, bedrock.bind),
        "anthropic": ProviderKind(anthropic.GROUP, (CHAT_TASK, COMPLETIONS), anthropic.bind),
        "cohere": ProviderKind(cohere.GROUP, TASKS, cohere.bind),
        "custom": ProviderKind(custom.GROUP, (CHAT_TASK,), custom.bind),
        "databricks-model-serving": ProviderKind(databricks.GROUP, TASKS, databricks.bind),
        "gemini": ProviderKind(gemini.GROUP, (CHAT_TASK,), gemini.bind),
        "google-cloud-vertex-ai": ProviderKind(vertex.GROUP, (CHAT_TASK, EMBEDDINGS), vertex.bind),
        "openai": ProviderKind(openai.GROUP, TASKS, openai.bind),
        "palm": ProviderKind(palm.GROUP, TASKS, palm.bind),
        **{name: ProviderKind(compatible.group(name), (CHAT_TASK,), compatible.bind) for name in compatible.SERVICES},
    }
)
