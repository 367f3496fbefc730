"""OpenAI, and deployments of its models on Azure: their settings, and what is bound to them.

Where a path differs between the three tasks, it is here; how each task is spoken is in openai_shaped.py and
openai_texts.py.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import Meta

from cloche.domain.endpoint import CHAT_TASK, TASKS, ExternalModel
from cloche.providers.base import header_value, render_head
from cloche.providers.bearer import Bearer
from cloche.providers.entra_tokens import DEFAULT_AUTHORITY, ClientCredentials, entra_server
from cloche.providers.openai_shaped import OpenAIShaped
from cloche.providers.openai_texts import OpenAICompleter, OpenAIEmbedder, for_task
from cloche.providers.profile import Profile, one_of
from cloche.providers.settings_reading import Faults, absent, base_url, credential, required
from cloche.providers.site import Site


class OpenAIConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `openai_config` object of a served entity."""

    openai_api_key: str | None = None
    openai_api_key_plaintext: str | None = None
    openai_api_base: Annotated[
        str | None, Meta(description="another base URL than `https://api.openai.com/v1`; on Azure the resource's")
    ] = None
    openai_api_type: Annotated[str | None, one_of(_TYPES, "`openai`, which is the default, `azure` or `azuread`")] = (
        None
    )
    openai_api_version: Annotated[str | None, Meta(description="of Azure: a version of the interface, by its date")] = (
        None
    )
    openai_deployment_name: Annotated[
        str | None, Meta(description="of Azure: the name that the deployment was given")
    ] = None
    openai_organization: Annotated[str | None, Meta(description="sent as `OpenAI-Organization`")] = None
    microsoft_entra_tenant_id: Annotated[str | None, Meta(description="of Azure with tokens: the directory")] = None
    microsoft_entra_client_id: Annotated[str | None, Meta(description="of Azure with tokens: the application")] = None
    microsoft_entra_client_secret: str | None = None
    microsoft_entra_client_secret_plaintext: str | None = None
    microsoft_entra_authority: Annotated[
        str | None, Meta(description="another place for tokens than Entra's public one; cloche's own")
    ] = None


GROUP = "openai_config"
_TYPES = ("openai", "azure", "azuread")

_ENTRA = ("microsoft_entra_tenant_id", "microsoft_entra_client_id")
_ENTRA_OTHERS = (
    "microsoft_entra_client_secret",
    "microsoft_entra_client_secret_plaintext",
    "microsoft_entra_authority",
)
_AZURE = ("openai_api_version", "openai_deployment_name")
_AZURE_COUNTS_STREAMS_SINCE = "2024-09-01"
"""The first version of Azure's interface, by its date, that knows `stream_options`; those before refuse it."""


_PATHS = MappingProxyType(dict(zip(TASKS, ("chat/completions", "completions", "embeddings"), strict=True)))
"""Where each task is, below the base URL or the deployment."""


def bind(model: ExternalModel) -> OpenAIShaped | OpenAICompleter | OpenAIEmbedder:
    """The translator for a served entity with provider `openai`.  InvalidSettings names what is wrong."""
    found = Faults(GROUP)
    config = found.read(OpenAIConfig, model.settings)
    kind = config.openai_api_type or "openai"
    if kind not in _TYPES:
        found.tell("openai_api_type", f"must be one of {', '.join(_TYPES)}, not '{kind}'")
        found.settle()
    if kind != "openai":
        return _azure(model, config, found)
    why = "belongs to the types 'azure' and 'azuread', not to 'openai'"
    base = "https://api.openai.com/v1" if config.openai_api_base is None else config.openai_api_base
    headers = {}
    with found:
        absent(config, (*_AZURE, *_ENTRA, *_ENTRA_OTHERS), GROUP, why)
    with found:
        headers["authorization"] = f"Bearer {credential(config, 'openai_api_key', GROUP)}"
    with found:
        if config.openai_organization is not None:
            headers["openai-organization"] = header_value(config.openai_organization, f"{GROUP}.openai_organization")
    with found:
        origin, path = base_url(base, f"{GROUP}.openai_api_base")
    found.settle()
    head = render_head(origin, f"{path}/{_PATHS[model.task]}", headers)
    return for_task(model.task)(model.name, Site("openai", origin, head))


def _azure(
    model: ExternalModel, config: OpenAIConfig, found: Faults
) -> OpenAIShaped | OpenAICompleter | OpenAIEmbedder:
    """A deployment on Azure: by key, or with tokens of Entra."""
    kind = str(config.openai_api_type)
    with found:
        required(config, _AZURE, GROUP, f"this field is required by the type '{kind}'")
    with found:
        required(config, ("openai_api_base",), GROUP, f"this field is required by the type '{kind}'")
        origin, path = base_url(config.openai_api_base or "", f"{GROUP}.openai_api_base")
    with found:
        headers, authorizer = _azure_credentials(config, kind)
    found.settle()
    deployment, version = quote(config.openai_deployment_name or "", safe=""), config.openai_api_version or ""
    place = f"{path}/openai/deployments/{deployment}"
    head = render_head(origin, f"{place}/{_PATHS[model.task]}?api-version={quote(version)}", headers)
    site = Site("azure", origin, head, authorizer)
    if model.task != CHAT_TASK:
        return for_task(model.task)(model.name, site)
    return OpenAIShaped(model.name, site, asks_usage=version >= _AZURE_COUNTS_STREAMS_SINCE)


def _azure_credentials(config: OpenAIConfig, kind: str) -> tuple[dict[str, str], Bearer | None]:
    """The header fields that hold a key, or who adds a token."""
    if kind == "azure":
        absent(config, (*_ENTRA, *_ENTRA_OTHERS), GROUP, "belongs to the type 'azuread'")
        return {"api-key": str(credential(config, "openai_api_key", GROUP))}, None
    authority = config.microsoft_entra_authority or DEFAULT_AUTHORITY
    found = Faults(GROUP)
    with found:
        required(config, _ENTRA, GROUP, "this field is required by the type 'azuread'")
    with found:
        secret = str(credential(config, "microsoft_entra_client_secret", GROUP))
    with found:
        server = entra_server(authority, config.microsoft_entra_tenant_id or "", f"{GROUP}.microsoft_entra_authority")
    found.settle()
    return {}, Bearer(ClientCredentials(server, config.microsoft_entra_client_id or "", secret))


_ON_AZURE = MappingProxyType(
    {
        "openai_api_base": "https://example.openai.azure.com",
        "openai_api_version": "2024-10-21",
        "openai_deployment_name": "x",
    }
)
_BY_ENTRA = MappingProxyType(
    {
        "openai_api_type": "azuread",
        "microsoft_entra_tenant_id": "x",
        "microsoft_entra_client_id": "x",
        "microsoft_entra_client_secret_plaintext": "x",
    }
)
_BY_KEY = MappingProxyType({"openai_api_key_plaintext": "x"})

PROFILE = Profile(
    OpenAIConfig,
    MappingProxyType(
        {
            "openai": ExternalModel("gpt-5-mini", "openai", CHAT_TASK, {**_BY_KEY}),
            "azure": ExternalModel(
                "gpt-5-mini", "openai", CHAT_TASK, {"openai_api_type": "azure", **_BY_KEY, **_ON_AZURE}
            ),
            "azuread": ExternalModel("gpt-5-mini", "openai", CHAT_TASK, {**_BY_ENTRA, **_ON_AZURE}),
        }
    ),
    page="openai",
    title="OpenAI and Azure OpenAI",
)
