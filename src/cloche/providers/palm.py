"""Google's PaLM API, which is gone: an endpoint of it could never answer, so none is made."""

from __future__ import annotations

from typing import NoReturn

from cloche.domain.endpoint import ExternalModel
from cloche.providers.base import InvalidSettings

GROUP = "palm_config"


def bind(model: ExternalModel) -> NoReturn:
    """InvalidSettings, always."""
    raise InvalidSettings(
        [(GROUP, "the PaLM API was shut down by Google: use the provider 'google-cloud-vertex-ai' with a Gemini model")]
    )
