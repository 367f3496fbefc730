"""AI21's chat API: its settings.  It takes and gives chat completions as OpenAI does.

The completions API of its older models is gone: a text completion is asked for in a chat.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from cloche.domain.endpoint import CHAT_TASK, COMPLETIONS_TASK, ExternalModel
from cloche.providers.base import render_head
from cloche.providers.openai_answer import OpenAIRead
from cloche.providers.openai_shaped import OpenAIShaped
from cloche.providers.profile import Profile, examples
from cloche.providers.settings_reading import Faults, base_url, credential
from cloche.providers.site import Site

GROUP = "ai21labs_config"


class Ai21LabsConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `ai21labs_config` object of a served entity.  `ai21labs_api_base` is cloche's own: a gateway in between."""

    ai21labs_api_key: str | None = None
    ai21labs_api_key_plaintext: str | None = None
    ai21labs_api_base: Annotated[str, Meta(description="the base URL; cloche's own")] = "https://api.ai21.com/studio/v1"


def bind(model: ExternalModel) -> OpenAIShaped | OpenAIRead:
    """The translator for a served entity with provider `ai21labs`.  InvalidSettings names what is wrong."""
    found = Faults(GROUP)
    config = found.read(Ai21LabsConfig, model.settings)
    with found:
        key = credential(config, "ai21labs_api_key", GROUP)
    with found:
        origin, path = base_url(config.ai21labs_api_base, f"{GROUP}.ai21labs_api_base")
    found.settle()
    head = render_head(origin, f"{path}/chat/completions", {"authorization": f"Bearer {key}"})
    chat = OpenAIShaped(model.name, Site("ai21labs", origin, head))
    return OpenAIRead("ai21labs", chat) if model.task == COMPLETIONS_TASK else chat


PROFILE = Profile(
    Ai21LabsConfig,
    examples(ExternalModel("jamba-large", "ai21labs", CHAT_TASK, {"ai21labs_api_key_plaintext": "x"})),
    page="ai21labs",
    title="AI21 Labs",
)
