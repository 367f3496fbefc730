"""Models on Amazon Bedrock: their settings, and what is bound to them.

Chat goes by Converse, or by InvokeModel where the settings want it; completions and embeddings go by InvokeModel.  How
each is spoken is in bedrock_converse.py, bedrock_invoke.py and bedrock_embeddings.py; how calls are signed, in
aws_signing.py.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from cloche.domain.endpoint import CHAT_TASK, TASKS, ExternalModel
from cloche.domain.lending import Source
from cloche.providers import bedrock_embeddings, bedrock_invoke
from cloche.providers.aws_credentials import StaticKeys, named_keys
from cloche.providers.aws_signing import AwsSignature, check_host_bound, require_signer, service_host
from cloche.providers.base import Embedder, Foreign, InvalidSettings
from cloche.providers.bedrock_converse import Converse
from cloche.providers.bedrock_invoke import Door
from cloche.providers.bedrock_models import MAKERS, traits
from cloche.providers.profile import Profile, examples, one_of, refused
from cloche.providers.settings_reading import Faults, absent, base_url, credential, required

GROUP = "amazon_bedrock_config"

_KEYS = ("aws_access_key_id", "aws_secret_access_key")
_APIS = ("converse", "invoke")
_REGION = re.compile(r"[a-z]{2,8}(-[a-z]{1,16}){1,3}-[0-9]{1,2}")
_KEY_ID = re.compile(r"\w+", re.ASCII)
_LENT = "ASIA"
_ANY_REGION = "us-east-1"
"""Put in the place of a region that is none, while the other faults are looked for."""


class BedrockConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `amazon_bedrock_config` object of a served entity.

    `aws_session_token`, `aws_api_base` and `bedrock_api_type` are cloche's own.
    """

    aws_region: Annotated[str, Meta(description="the region, like `us-east-1`")] = ""
    bedrock_provider: Annotated[str, one_of(MAKERS, "who made the model, in any case of letters")] = ""
    aws_access_key_id: str | None = None
    aws_access_key_id_plaintext: str | None = None
    aws_secret_access_key: str | None = None
    aws_secret_access_key_plaintext: str | None = None
    aws_session_token: str | None = None
    aws_session_token_plaintext: str | None = None
    instance_profile_arn: Annotated[
        str | None, Meta(description="in place of keys: the host's own keys, or a role that is assumed with them")
    ] = None
    uc_service_credential_name: Annotated[str | None, refused("refused: Unity Catalog is no part of cloche")] = None
    aws_api_base: Annotated[
        str | None, Meta(description="another base URL than the region's `bedrock-runtime` service; cloche's own")
    ] = None
    bedrock_api_type: Annotated[str, one_of(_APIS, "the API that chat goes by, or `invoke`; cloche's own")] = "converse"


def bind(model: ExternalModel) -> Foreign | Embedder:
    """What answers for a served entity with provider `amazon-bedrock`.  InvalidSettings names what is wrong."""
    found = Faults(GROUP)
    config = found.read(BedrockConfig, model.settings)
    maker = config.bedrock_provider.lower()
    _check_words(config, found)
    with found:
        source = _source(config)
    region = config.aws_region if _REGION.fullmatch(config.aws_region) else _ANY_REGION
    base = config.aws_api_base or f"https://{service_host('bedrock-runtime', region)}"
    with found:
        origin, path = base_url(base, f"{GROUP}.aws_api_base")
    found.settle()
    if config.instance_profile_arn is not None:
        check_host_bound(origin, "bedrock-runtime", config.aws_region, f"{GROUP}.aws_api_base")
    require_signer(GROUP)
    door = Door(origin, path, {}, AwsSignature("bedrock", config.aws_region, source))
    if model.task == CHAT_TASK and config.bedrock_api_type == "converse":
        return Converse(traits(model.name, maker), door)
    return _invoked(model, maker, door)


def _check_words(config: BedrockConfig, found: Faults) -> None:
    """See that what is to be one of several words is one of them."""
    with found:
        required(config, ("aws_region", "bedrock_provider"), GROUP, "this field is required")
    if not _REGION.fullmatch(config.aws_region):
        found.tell("aws_region", "is no region of AWS: one is like us-east-1")
    if config.bedrock_provider.lower() not in MAKERS:
        found.tell("bedrock_provider", f"must be one of {', '.join(MAKERS)}")
    if config.bedrock_api_type not in _APIS:
        found.tell("bedrock_api_type", f"must be one of {', '.join(_APIS)}")


def _source(config: BedrockConfig) -> Source:
    """Whose keys sign the calls."""
    absent(config, ("uc_service_credential_name",), GROUP, "is not supported: cloche knows no Unity Catalog")
    arn = config.instance_profile_arn
    if arn is not None:
        given = [f"{name}{form}" for name in (*_KEYS, "aws_session_token") for form in ("", "_plaintext")]
        absent(config, given, GROUP, "give either keys or instance_profile_arn, not both")
        return named_keys(arn, config.aws_region, f"{GROUP}.instance_profile_arn")
    found = Faults(GROUP)
    key_id = ""
    with found:
        key_id = str(credential(config, _KEYS[0], GROUP))
        if not _KEY_ID.fullmatch(key_id):
            found.tell(
                f"{_KEYS[0]}_plaintext", "is no id of an access key, which has letters and digits: is it the secret?"
            )
    with found:
        secret = credential(config, _KEYS[1], GROUP)
    with found:
        token = credential(config, "aws_session_token", GROUP, required=False)
        if token is None and key_id.startswith(_LENT):
            found.tell("aws_session_token", f"is required: a key whose id begins with {_LENT} is lent, with a token")
    found.settle()
    return StaticKeys(key_id, str(secret), token)


def _invoked(model: ExternalModel, maker: str, door: Door) -> Foreign | Embedder:
    """A model that is spoken to in its family's own words.  InvalidSettings where those are not known."""
    if model.task == TASKS[2]:
        family = bedrock_embeddings.family(model.name)
        if family is not None:
            return bedrock_embeddings.BedrockEmbedder(model.name, family, door)
    else:
        spoken = bedrock_invoke.dialect(model.name, maker)
        if spoken is not None:
            return bedrock_invoke.Invoke(model.name, spoken, door)
    raise InvalidSettings([("name", f"'{model.name}' is of no family of models that can be called for {model.task}")])


def _example(name: str, maker: str) -> ExternalModel:
    keys = {"aws_access_key_id_plaintext": "x", "aws_secret_access_key_plaintext": "x"}
    return ExternalModel(
        name, "amazon-bedrock", CHAT_TASK, {"aws_region": "us-east-1", "bedrock_provider": maker, **keys}
    )


PROFILE = Profile(
    BedrockConfig,
    examples(
        _example("anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic"),
        _example("amazon.nova-lite-v1:0", "amazon"),
        _example("cohere.command-r-plus-v1:0", "cohere"),
        _example("ai21.jamba-1-5-large-v1:0", "ai21labs"),
    ),
    page="bedrock",
    title="Amazon Bedrock",
)
