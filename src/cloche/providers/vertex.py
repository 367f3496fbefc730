"""Models on Google Cloud Vertex AI: their settings, checked.  Their dialect is not spoken yet."""

from __future__ import annotations

import re

import msgspec

from cloche.domain.endpoint import ExternalModel
from cloche.providers.base import InvalidSettings, credential, read_settings
from cloche.providers.untranslated import Untranslated

GROUP = "google_cloud_vertex_ai_config"

_NAMES = {"project_id": re.compile(r"[a-z0-9.:-]{1,128}"), "region": re.compile(r"[a-z0-9-]{1,64}")}
"""What becomes a part of the URL."""


class VertexConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `google_cloud_vertex_ai_config` object of a served entity.  `private_key`: a service account's JSON."""

    project_id: str
    region: str
    private_key: str | None = None
    private_key_plaintext: str | None = None


def bind(model: ExternalModel) -> Untranslated:
    """What stands for the model until it can be called.  InvalidSettings names what is wrong."""
    config = read_settings(VertexConfig, model.settings, GROUP)
    wrong = [name for name, form in _NAMES.items() if not form.fullmatch(getattr(config, name))]
    if wrong:
        raise InvalidSettings([(f"{GROUP}.{name}", f"is no {name} of Google Cloud") for name in wrong])
    if config.private_key_plaintext is None or config.private_key is not None:
        credential(config, "private_key", GROUP)
    return Untranslated("the provider 'google-cloud-vertex-ai'", model.name)
