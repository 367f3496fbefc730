"""Models on Amazon Bedrock: their settings, checked.  Their dialect is not spoken yet."""

from __future__ import annotations

import re

import msgspec

from cloche.domain.endpoint import ExternalModel
from cloche.providers.base import InvalidSettings, absent, credential, read_settings
from cloche.providers.untranslated import Untranslated

GROUP = "amazon_bedrock_config"

_MAKERS = ("ai21labs", "amazon", "anthropic", "cohere")


class BedrockConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `amazon_bedrock_config` object of a served entity."""

    aws_region: str
    bedrock_provider: str
    aws_access_key_id: str | None = None
    aws_access_key_id_plaintext: str | None = None
    aws_secret_access_key: str | None = None
    aws_secret_access_key_plaintext: str | None = None
    instance_profile_arn: str | None = None
    uc_service_credential_name: str | None = None


def bind(model: ExternalModel) -> Untranslated:
    """What stands for the model until it can be called.  InvalidSettings names what is wrong."""
    config = read_settings(BedrockConfig, model.settings, GROUP)
    if not re.fullmatch("[a-z0-9-]{1,64}", config.aws_region):
        raise InvalidSettings([(f"{GROUP}.aws_region", "is no region of AWS")])
    if config.bedrock_provider.lower() not in _MAKERS:
        raise InvalidSettings([(f"{GROUP}.bedrock_provider", f"must be one of {', '.join(_MAKERS)}")])
    unknown_here = ("instance_profile_arn", "uc_service_credential_name")
    absent(config, unknown_here, GROUP, "is not supported here: give aws_access_key_id and aws_secret_access_key")
    credential(config, "aws_access_key_id", GROUP)
    credential(config, "aws_secret_access_key", GROUP)
    return Untranslated("the provider 'amazon-bedrock'", model.name)
