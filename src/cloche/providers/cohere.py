"""Cohere's chat API: its settings, checked.  Its dialect is not spoken yet."""

from __future__ import annotations

import msgspec

from cloche.domain.endpoint import ExternalModel
from cloche.providers.base import credential, parse_url, read_settings
from cloche.providers.untranslated import Untranslated

GROUP = "cohere_config"


class CohereConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `cohere_config` object of a served entity."""

    cohere_api_key: str | None = None
    cohere_api_key_plaintext: str | None = None
    cohere_api_base: str = "https://api.cohere.com"


def bind(model: ExternalModel) -> Untranslated:
    """What stands for the model until it can be called.  InvalidSettings names what is wrong."""
    config = read_settings(CohereConfig, model.settings, GROUP)
    credential(config, "cohere_api_key", GROUP)
    parse_url(config.cohere_api_base, f"{GROUP}.cohere_api_base")
    return Untranslated("the provider 'cohere'", model.name)
