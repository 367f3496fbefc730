"""What the readers of endpoint bodies are told of providers: which there are, and whether settings could be bound.

Settings are judged with a stand-in for each secret, so that every other fault is told before a secret is looked up.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import replace

from cloche.control.secret_references import PLAINTEXT, with_values
from cloche.domain.endpoint import ExternalModel
from cloche.providers.base import InvalidSettings
from cloche.providers.catalogue import PROVIDERS, ProviderKind

_STAND_IN = "standin"


class ProviderForm(NamedTuple):
    """A provider, as `wire.serving_reading` wants to know it."""

    kind: ProviderKind

    @property
    def group(self) -> str:
        """The name of its settings object."""
        return self.kind.group

    @property
    def tasks(self) -> tuple[str, ...]:
        """What its models do."""
        return self.kind.tasks

    @property
    def known_as(self) -> tuple[str, ...]:
        """What people call it besides."""
        return self.kind.known_as

    def faults(self, model: ExternalModel) -> list[tuple[str, str]]:
        """What is wrong with a model's settings, whatever its secrets are."""
        stand_ins: list[str] = []

        def stand_in(_: str, path: str) -> str:
            stand_ins.append(path + PLAINTEXT)
            return _STAND_IN

        settings = with_values(model.settings, self.group, stand_in)
        try:
            self.kind.bind(replace(model, settings=settings))
        except InvalidSettings as error:
            # A secret that must have a form, as a key has, is judged when it is looked up.
            return [(path, what) for path, what in error.problems if not path.startswith(tuple(stand_ins))]
        return []


PROVIDER_FORMS = MappingProxyType({name: ProviderForm(kind) for name, kind in PROVIDERS.items()})
