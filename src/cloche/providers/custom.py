"""Any service that takes OpenAI-shaped chat requests at a URL: Ollama, vLLM, llama.cpp, a private gateway."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from cloche.domain.endpoint import CHAT_TASK, ExternalModel
from cloche.providers.base import InvalidSettings, header_value, parse_url, render_head
from cloche.providers.openai_shaped import OpenAIShaped
from cloche.providers.profile import Profile, examples
from cloche.providers.settings_reading import Faults, credential, required
from cloche.providers.site import Site

GROUP = "custom_provider_config"

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS = frozenset(("host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"))


class BearerAuth(msgspec.Struct, forbid_unknown_fields=True):
    """`Authorization: Bearer TOKEN`."""

    token: str | None = None
    token_plaintext: str | None = None


class ApiKeyAuth(msgspec.Struct, forbid_unknown_fields=True):
    """A header of the service's own: `key` is its name."""

    key: Annotated[str, Meta(description="the header's name")]
    value: str | None = None
    value_plaintext: str | None = None


class CustomConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `custom_provider_config` object of a served entity."""

    custom_provider_url: Annotated[
        str, Meta(description="a base URL that ends in a version, to which `/chat/completions` is added, or the whole")
    ] = ""
    bearer_token_auth: Annotated[
        BearerAuth | None, Meta(description="a key that is sent as `Authorization: Bearer …`")
    ] = None
    api_key_auth: Annotated[
        ApiKeyAuth | None, Meta(description="a key that is sent in a header of the service's own")
    ] = None


def bind(model: ExternalModel) -> OpenAIShaped:
    """The translator for a served entity with provider `custom`.  InvalidSettings names what is wrong.

    Whether the documented URL is a base or the whole is unknown, so both are taken: a path that is empty or ends in a
    version (`/v1`) gets `/chat/completions`; any other is called as given.
    """
    found = Faults(GROUP)
    config = found.read(CustomConfig, model.settings)
    with found:
        required(config, ("custom_provider_url",), GROUP, "this field is required")
        origin, target = parse_url(config.custom_provider_url, f"{GROUP}.custom_provider_url")
    with found:
        headers = _auth_headers(config)
    found.settle()
    if "?" not in target and re.search(r"^/?$|/v\d+/?$", target):
        target = target.rstrip("/") + "/chat/completions"
    return OpenAIShaped(model.name, Site("custom", origin, render_head(origin, target, headers)))


def _auth_headers(config: CustomConfig) -> dict[str, str]:
    if config.bearer_token_auth is not None and config.api_key_auth is not None:
        raise InvalidSettings([(GROUP, "give either bearer_token_auth or api_key_auth, not both")])
    if config.bearer_token_auth is not None:
        token = credential(config.bearer_token_auth, "token", f"{GROUP}.bearer_token_auth")
        return {"authorization": f"Bearer {token}"}
    if config.api_key_auth is not None:
        group = f"{GROUP}.api_key_auth"
        found = Faults(group)
        with found:
            name = header_value(config.api_key_auth.key, f"{group}.key")
            if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
                raise InvalidSettings([(f"{group}.key", f"'{name}' cannot be the name of an authentication header")])
        with found:
            value = str(credential(config.api_key_auth, "value", group))
        found.settle()
        return {name.lower(): value}
    return {}


PROFILE = Profile(
    CustomConfig,
    examples(
        ExternalModel(
            "a-model",
            "custom",
            CHAT_TASK,
            {"custom_provider_url": "https://models.example/v1", "bearer_token_auth": {"token_plaintext": "x"}},
        )
    ),
    page="custom",
    title="Any OpenAI-shaped service",
)
