"""Anthropic's Messages API: its settings, checked.  Its dialect is not spoken yet."""

from __future__ import annotations

import msgspec

from cloche.domain.endpoint import ExternalModel
from cloche.providers.base import credential, read_settings
from cloche.providers.untranslated import Untranslated

GROUP = "anthropic_config"


class AnthropicConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `anthropic_config` object of a served entity."""

    anthropic_api_key: str | None = None
    anthropic_api_key_plaintext: str | None = None


def bind(model: ExternalModel) -> Untranslated:
    """What stands for the model until it can be called.  InvalidSettings names what is wrong."""
    config = read_settings(AnthropicConfig, model.settings, GROUP)
    credential(config, "anthropic_api_key", GROUP)
    return Untranslated("the provider 'anthropic'", model.name)
