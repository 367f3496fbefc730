"""Anthropic's Messages API: its settings, and the translator bound to them.

What is asked is in anthropic_request.py, what is answered in anthropic_answer.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from cloche.domain.chat import ChatRequest, ChatResponse, FinishReason
from cloche.domain.endpoint import CHAT_TASK, ExternalModel
from cloche.domain.errors import Problem
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers import anthropic_answer, anthropic_request
from cloche.providers.base import render_head
from cloche.providers.profile import Profile, examples
from cloche.providers.settings_reading import Faults, base_url, credential
from cloche.providers.site import Site

GROUP = "anthropic_config"
API_VERSION = "2023-06-01"
"""The only one there is; every change since is a field that one asks for."""

_DEFAULT_BASE = "https://api.anthropic.com"
_encode = msgspec.json.Encoder().encode


class AnthropicConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `anthropic_config` object of a served entity.  `anthropic_api_base` is cloche's own."""

    anthropic_api_key: str | None = None
    anthropic_api_key_plaintext: str | None = None
    anthropic_api_base: Annotated[
        str | None, Meta(description="another base URL than `https://api.anthropic.com`; cloche's own")
    ] = None


class Anthropic:
    """A served entity behind the Messages API."""

    __slots__ = ("_site", "model")

    takes_n = False
    """The API gives one choice for a call."""
    finishes: Mapping[str, FinishReason | None] = anthropic_answer.FINISH

    def __init__(self, model: str, site: Site) -> None:
        self.model = model
        self._site = site

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> HttpCall:
        """The call to make.  BadRequest for what this API has no place for."""
        body = {"model": self.model, **anthropic_request.encode(request, report, self.model)}
        if stream:
            body["stream"] = True
        return self._site.call(_encode(body))

    def decode(self, body: bytes) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none; the Problem of an error object."""
        return anthropic_answer.decode(body, self._error_inside)

    def decoder(self) -> anthropic_answer.AnthropicDecoder:
        """The reader of a stream."""
        return anthropic_answer.AnthropicDecoder(self._error_inside)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """A refusal, by the table in base.py."""
        return self._site.refusal(status, headers, body)

    def _error_inside(self, status: int, body: bytes) -> Problem:
        """An error that came after the status 200."""
        return self.error(status, {}, body)


def bind(model: ExternalModel) -> Anthropic:
    """The translator for a served entity with provider `anthropic`.  InvalidSettings names what is wrong."""
    found = Faults(GROUP)
    config = found.read(AnthropicConfig, model.settings)
    base = _DEFAULT_BASE if config.anthropic_api_base is None else config.anthropic_api_base
    with found:
        key = credential(config, "anthropic_api_key", GROUP)
    with found:
        origin, path = base_url(base, f"{GROUP}.anthropic_api_base")
    found.settle()
    headers = {"x-api-key": str(key), "anthropic-version": API_VERSION}
    target = f"{path}/messages" if re.search(r"/v[0-9]+\Z", path) else f"{path}/v1/messages"
    return Anthropic(model.name, Site("anthropic", origin, render_head(origin, target, headers)))


PROFILE = Profile(
    AnthropicConfig,
    examples(
        ExternalModel("claude-opus-4-7", "anthropic", CHAT_TASK, {"anthropic_api_key_plaintext": "x"}),
        ExternalModel("claude-haiku-4-5", "anthropic", CHAT_TASK, {"anthropic_api_key_plaintext": "x"}),
    ),
    page="anthropic",
    title="Anthropic",
)
