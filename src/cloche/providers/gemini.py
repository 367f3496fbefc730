"""The Gemini API with an API key: its settings, and its calls.  The dialect is in gemini_request and gemini_answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from cloche.domain.chat import ChatRequest, ChatResponse, FinishReason
from cloche.domain.endpoint import CHAT_TASK, ExternalModel
from cloche.domain.errors import Problem, ProviderCredentials
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers import gemini_answer, gemini_request
from cloche.providers.base import Decoder, InvalidSettings, refusal, render_head, status_in_error
from cloche.providers.gemini_request import Dialect
from cloche.providers.profile import Profile, examples
from cloche.providers.settings_reading import Faults, base_url, credential
from cloche.providers.site import Site

GROUP = "gemini_config"
DEFAULT_BASE = "https://generativelanguage.googleapis.com/v1beta"

_encode = msgspec.json.Encoder().encode

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")
"""A model's name becomes a part of the URL; before a slash may stand the collection it is in, as `tunedModels`."""

# ---------------------------------------------------------------- refusals

_KEY_REASONS = frozenset(
    (
        "API_KEY_INVALID",
        "API_KEY_SERVICE_BLOCKED",
        "API_KEY_HTTP_REFERRER_BLOCKED",
        "API_KEY_IP_ADDRESS_BLOCKED",
        "API_KEY_ANDROID_APP_BLOCKED",
        "API_KEY_IOS_APP_BLOCKED",
        "ACCESS_TOKEN_EXPIRED",
        "CREDENTIALS_MISSING",
        "BILLING_DISABLED",
        "SERVICE_DISABLED",
        "CONSUMER_SUSPENDED",
        "CONSUMER_INVALID",
    )
)
"""Reasons, in the details of an error, that are the operator's to mend; a wrong key comes with status 400."""


class _Detail(msgspec.Struct, rename="camel"):
    reason: str = ""
    retry_delay: str = ""


class _Error(msgspec.Struct):
    details: list[_Detail] = []


class _Refusal(msgspec.Struct):
    error: _Error


def google_refusal(provider: str, status: int, headers: dict[bytes, bytes], body: bytes, sent: bytes) -> Problem:
    """The Problem that an error of a Google API means: by its status, and by the reason in its details."""
    details = _details(body)
    if any(detail.reason in _KEY_REASONS for detail in details):
        return ProviderCredentials(
            f"{provider} rejected the credentials of this served entity (status {status}); its operator must mend that"
        )
    # The time to wait stands in the body, as "17s" or "17.2s".
    delays = [detail.retry_delay.rstrip("s").encode() for detail in details if detail.retry_delay]
    if delays and b"retry-after" not in headers:
        headers = {**headers, b"retry-after": delays[0]}
    return refusal(provider, status, headers, body, sent)


def _details(body: bytes) -> list[_Detail]:
    """The details of an error object, or of the first in a list, as streams without events have it."""
    try:
        if body.lstrip().startswith(b"["):
            return [detail for each in msgspec.json.decode(body, type=list[_Refusal]) for detail in each.error.details]
        return msgspec.json.decode(body, type=_Refusal).error.details
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


# ---------------------------------------------------------------- the translator


class GeminiConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `gemini_config` object of a served entity."""

    gemini_api_key: str | None = None
    gemini_api_key_plaintext: str | None = None
    gemini_api_base: Annotated[str, Meta(description="the base URL, with the version of the API")] = DEFAULT_BASE


class Gemini:
    """A model that speaks generateContent, of whichever of the two services.  `whole`, `stream`: where it is asked."""

    __slots__ = ("_dialect", "_stream", "_whole", "model")

    finishes: Mapping[str, FinishReason | None] = gemini_answer.FINISH

    takes_n = True
    """One call gives several candidates."""

    def __init__(self, dialect: Dialect, whole: Site, stream: Site) -> None:
        self.model = dialect.model
        self._dialect = dialect
        self._whole = whole
        self._stream = stream

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> HttpCall:
        """The call to make.  BadRequest for what these models cannot do."""
        body: dict[str, Any] = gemini_request.body(request, report, self._dialect)
        return (self._stream if stream else self._whole).call(_encode(body))

    def decode(self, body: bytes) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none; for an error object in it, its Problem."""
        return gemini_answer.decode(body, self._error_in)

    def decoder(self) -> Decoder:
        """The reader of a stream."""
        return gemini_answer.GenerateDecoder(self._error_in)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """What an answer other than 200 means."""
        return google_refusal(self._whole.provider, status, headers, body, self._whole.head)

    def _error_in(self, body: bytes) -> Problem:
        return self.error(status_in_error(body), {}, body)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidSettings([("name", f"'{name}' is no name of a Gemini model")])


def bind(model: ExternalModel) -> Gemini:
    """The translator for a served entity with provider `gemini`.  InvalidSettings names what is wrong."""
    found = Faults(GROUP)
    config = found.read(GeminiConfig, model.settings)
    with found:
        key = credential(config, "gemini_api_key", GROUP)
    with found:
        base = base_url(config.gemini_api_base, f"{GROUP}.gemini_api_base")
    with found:
        _check_name(model.name)
    found.settle()
    origin, path = base
    target = f"{path}/{model.name}" if "/" in model.name else f"{path}/models/{model.name}"
    headers = {"x-goog-api-key": str(key)}  # in the URL it would stand in every log on the way

    def site(method: str) -> Site:
        return Site("gemini", origin, render_head(origin, f"{target}:{method}", headers))

    return Gemini(Dialect(model.name), site("generateContent"), site("streamGenerateContent?alt=sse"))


PROFILE = Profile(
    GeminiConfig,
    examples(
        ExternalModel("gemini-3-pro-preview", "gemini", CHAT_TASK, {"gemini_api_key_plaintext": "x"}),
        ExternalModel("gemini-2.5-flash", "gemini", CHAT_TASK, {"gemini_api_key_plaintext": "x"}),
    ),
    page="gemini",
    title="Google Gemini API",
)
