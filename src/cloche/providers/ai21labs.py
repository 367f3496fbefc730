"""AI21's chat API: its settings.  It takes and gives chat completions as OpenAI does."""

from __future__ import annotations

import msgspec

from cloche.domain.endpoint import ExternalModel
from cloche.providers.base import credential, parse_url, read_settings, render_head
from cloche.providers.openai import OpenAIShaped

GROUP = "ai21labs_config"


class Ai21LabsConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `ai21labs_config` object of a served entity.  `ai21labs_api_base` is cloche's own: a gateway in between."""

    ai21labs_api_key: str | None = None
    ai21labs_api_key_plaintext: str | None = None
    ai21labs_api_base: str = "https://api.ai21.com/studio/v1"


def bind(model: ExternalModel) -> OpenAIShaped:
    """The translator for a served entity with provider `ai21labs`.  InvalidSettings names what is wrong."""
    config = read_settings(Ai21LabsConfig, model.settings, GROUP)
    headers = {"authorization": f"Bearer {credential(config, 'ai21labs_api_key', GROUP)}"}
    origin, path = parse_url(config.ai21labs_api_base, f"{GROUP}.ai21labs_api_base")
    return OpenAIShaped(
        "ai21labs", model.name, origin, render_head(origin, path.rstrip("/") + "/chat/completions", headers)
    )
