"""OpenAI, and whatever speaks its dialect at another base URL.

Near identity: the client's own bytes go on, with the model's name put in, cloche's own fields taken out, and usage
asked for in every stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import msgspec

from cloche.domain.chat import ChatParams, ChatRequest, FinishReason
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import Problem
from cloche.domain.outbound import HttpCall, Origin
from cloche.domain.translation import Report
from cloche.providers.base import (
    InvalidSettings,
    absent,
    credential,
    header_value,
    parse_url,
    read_settings,
    refusal,
    render_head,
    required,
)
from cloche.providers.untranslated import Untranslated

_encode = msgspec.json.Encoder().encode

NOT_FORWARDED = frozenset(
    (
        "model",
        "stream",
        "stream_options",
        "client_request_id",
        "usage_context",
        "extra_params",
        "enable_safety_filter",
    )
)
"""Fields that are for cloche itself, or that it writes in its own way."""

_KEYS = {name: f',"{name}":'.encode() for name in ChatParams.__struct_fields__}
"""The known field names, ready to be written."""

_STREAM = b',"stream":true,"stream_options":{"include_usage":true}}'
_STREAM_ONLY = b',"stream":true}'

SAME_FINISHES: Mapping[str, FinishReason | None] = MappingProxyType({})
"""The finish reasons of a service that has no words of its own for them."""


class OpenAIShaped:
    """A served entity behind any service that takes and gives chat completions.

    `asks_usage`: whether the service can be asked for usage in a stream; else it gives it unasked, or not at all.
    """

    __slots__ = ("_head", "_opening", "_origin", "_provider", "_stream_ending", "model")

    def __init__(self, provider: str, model: str, origin: Origin, head: bytes, *, asks_usage: bool = True) -> None:
        self.model = model
        self._provider = provider
        self._origin = origin
        self._head = head
        self._opening = b'{"model":' + _encode(model)
        self._stream_ending = _STREAM if asks_usage else _STREAM_ONLY

    @property
    def differs(self) -> bool:
        """It does not: the dialect is the API's own."""
        return False

    @property
    def finishes(self) -> Mapping[str, FinishReason | None]:
        """The service's own finish reasons in the words of the API; None: the answer failed."""
        return SAME_FINISHES

    def encode(self, request: ChatRequest, *, stream: bool) -> HttpCall:
        """The client's fields in their own bytes: about 0.8 µs for a small request."""
        pieces: list[Any] = [self._opening]
        for name, value in request.fields.items():
            if name not in NOT_FORWARDED:
                pieces.append(_KEYS.get(name) or b"," + _encode(name) + b":")
                pieces.append(value)
        pieces.append(self._stream_ending if stream else b"}")
        return HttpCall(self._origin, self._head, (b"".join(pieces),))

    def note(self, request: ChatRequest, report: Report) -> None:
        """Tell what becomes of the request's fields: all of them are passed on."""
        for name in request.fields:
            if name not in NOT_FORWARDED:
                report.note("passed", name)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """OpenAI-shaped errors, by the table in base.py."""
        return refusal(self._provider, status, headers, body, self._head)


class OpenAIConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `openai_config` object of a served entity."""

    openai_api_key: str | None = None
    openai_api_key_plaintext: str | None = None
    openai_api_base: str | None = None
    openai_api_type: str | None = None
    openai_api_version: str | None = None
    openai_deployment_name: str | None = None
    openai_organization: str | None = None
    microsoft_entra_tenant_id: str | None = None
    microsoft_entra_client_id: str | None = None
    microsoft_entra_client_secret: str | None = None
    microsoft_entra_client_secret_plaintext: str | None = None


GROUP = "openai_config"

_TYPES = ("openai", "azure", "azuread")
_ENTRA = ("microsoft_entra_tenant_id", "microsoft_entra_client_id")
_ENTRA_SECRET = ("microsoft_entra_client_secret", "microsoft_entra_client_secret_plaintext")
_AZURE = ("openai_api_version", "openai_deployment_name")
_AZURE_COUNTS_STREAMS_SINCE = "2024-09-01"
"""The first version of Azure's interface, by its date, that knows `stream_options`; those before refuse it."""


def bind(model: ExternalModel) -> OpenAIShaped | Untranslated:
    """The translator for a served entity with provider `openai`.  InvalidSettings names what is wrong."""
    config = read_settings(OpenAIConfig, model.settings, GROUP)
    kind = config.openai_api_type or "openai"
    if kind not in _TYPES:
        raise InvalidSettings([(f"{GROUP}.openai_api_type", f"must be one of {', '.join(_TYPES)}, not '{kind}'")])
    if kind != "openai":
        return _azure(model, config, kind)
    why = "belongs to the types 'azure' and 'azuread', not to 'openai'"
    absent(config, (*_AZURE, *_ENTRA, *_ENTRA_SECRET), GROUP, why)
    headers = {"authorization": f"Bearer {credential(config, 'openai_api_key', GROUP)}"}
    if config.openai_organization is not None:
        headers["openai-organization"] = header_value(config.openai_organization, f"{GROUP}.openai_organization")
    base = "https://api.openai.com/v1" if config.openai_api_base is None else config.openai_api_base
    origin, path = parse_url(base, f"{GROUP}.openai_api_base")
    target = path.rstrip("/") + "/chat/completions"
    return OpenAIShaped("openai", model.name, origin, render_head(origin, target, headers))


def _azure(model: ExternalModel, config: OpenAIConfig, kind: str) -> OpenAIShaped | Untranslated:
    """A deployment on Azure: by key; with tokens of Entra it cannot be called yet."""
    required(config, ("openai_api_base", *_AZURE), GROUP, f"this field is required by the type '{kind}'")
    origin, path = parse_url(config.openai_api_base or "", f"{GROUP}.openai_api_base")
    if kind == "azuread":
        required(config, _ENTRA, GROUP, "this field is required by the type 'azuread'")
        credential(config, "microsoft_entra_client_secret", GROUP)
        return Untranslated(f"the type '{kind}' of the provider 'openai'", model.name)
    absent(config, (*_ENTRA, *_ENTRA_SECRET), GROUP, "belongs to the type 'azuread'")
    headers = {"api-key": str(credential(config, "openai_api_key", GROUP))}
    deployment, version = quote(config.openai_deployment_name or "", safe=""), config.openai_api_version or ""
    target = f"{path.rstrip('/')}/openai/deployments/{deployment}/chat/completions?api-version={quote(version)}"
    head = render_head(origin, target, headers)
    return OpenAIShaped("azure", model.name, origin, head, asks_usage=version >= _AZURE_COUNTS_STREAMS_SINCE)
