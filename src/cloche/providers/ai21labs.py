"""AI21's completions: their settings, checked.  Their dialect is not spoken."""

from __future__ import annotations

import msgspec

from cloche.domain.endpoint import ExternalModel
from cloche.providers.base import credential, read_settings
from cloche.providers.untranslated import Untranslated

GROUP = "ai21labs_config"


class Ai21LabsConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `ai21labs_config` object of a served entity."""

    ai21labs_api_key: str | None = None
    ai21labs_api_key_plaintext: str | None = None


def bind(model: ExternalModel) -> Untranslated:
    """What stands for the model.  InvalidSettings names what is wrong."""
    config = read_settings(Ai21LabsConfig, model.settings, GROUP)
    credential(config, "ai21labs_api_key", GROUP)
    return Untranslated("the provider 'ai21labs'", model.name)
