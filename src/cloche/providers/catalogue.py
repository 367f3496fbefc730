"""Which providers there are: name, the settings object they take, and how one is bound to a served entity."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

from cloche.domain.endpoint import ExternalModel
from cloche.providers import custom, openai
from cloche.providers.openai import OpenAIShaped


class ProviderKind(NamedTuple):
    """`group`: the name of the settings object inside `external_model`.  `bind` raises InvalidSettings."""

    group: str
    bind: Callable[[ExternalModel], OpenAIShaped]


PROVIDERS = MappingProxyType(
    {
        "openai": ProviderKind(openai.GROUP, openai.bind),
        "custom": ProviderKind(custom.GROUP, custom.bind),
    }
)
