"""Google's PaLM API, which is gone: an endpoint of it could never answer, so none is made."""

from __future__ import annotations

from typing import NoReturn

import msgspec

from cloche.domain.endpoint import ExternalModel
from cloche.providers.base import InvalidSettings
from cloche.providers.profile import Profile, examples

GROUP = "palm_config"


class PalmConfig(msgspec.Struct):
    """The `palm_config` object of a served entity, of which nothing is read."""


def bind(model: ExternalModel) -> NoReturn:
    """InvalidSettings, always."""
    raise InvalidSettings(
        [(GROUP, "the PaLM API was shut down by Google: use the provider 'google-cloud-vertex-ai' with a Gemini model")]
    )


PROFILE = Profile(PalmConfig, examples(), page="vertex", title="Google PaLM")
