"""Anthropic's Messages API: its settings, and the translator bound to them.

What is asked is in anthropic_request.py, what is answered in anthropic_answer.py.
"""

from __future__ import annotations

import re

import msgspec

from cloche.domain.chat import ChatRequest, ChatResponse
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import Problem
from cloche.domain.outbound import HttpCall, Origin
from cloche.domain.translation import Report
from cloche.providers import anthropic_answer, anthropic_request
from cloche.providers.base import credential, parse_url, read_settings, refusal, render_head

GROUP = "anthropic_config"
API_VERSION = "2023-06-01"
"""The only one there is; every change since is a field that one asks for."""

_DEFAULT_BASE = "https://api.anthropic.com"
_encode = msgspec.json.Encoder().encode


class AnthropicConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `anthropic_config` object of a served entity.  `anthropic_api_base` is cloche's own."""

    anthropic_api_key: str | None = None
    anthropic_api_key_plaintext: str | None = None
    anthropic_api_base: str | None = None


class Anthropic:
    """A served entity behind the Messages API."""

    __slots__ = ("_head", "_origin", "model")

    takes_n = False
    """The API gives one choice for a call."""

    def __init__(self, model: str, origin: Origin, head: bytes) -> None:
        self.model = model
        self._origin = origin
        self._head = head

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> HttpCall:
        """The call to make.  BadRequest for what this API has no place for."""
        body = {"model": self.model, **anthropic_request.encode(request, report, self.model)}
        if stream:
            body["stream"] = True
        return HttpCall(self._origin, self._head, (_encode(body),))

    def decode(self, body: bytes) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none; the Problem of an error object."""
        return anthropic_answer.decode(body, self._error_inside)

    def decoder(self) -> anthropic_answer.AnthropicDecoder:
        """The reader of a stream."""
        return anthropic_answer.AnthropicDecoder(self._error_inside)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """A refusal, by the table in base.py."""
        return refusal("anthropic", status, headers, body, self._head)

    def _error_inside(self, status: int, body: bytes) -> Problem:
        """An error that came after the status 200."""
        return self.error(status, {}, body)


def bind(model: ExternalModel) -> Anthropic:
    """The translator for a served entity with provider `anthropic`.  InvalidSettings names what is wrong."""
    config = read_settings(AnthropicConfig, model.settings, GROUP)
    headers = {"x-api-key": credential(config, "anthropic_api_key", GROUP) or "", "anthropic-version": API_VERSION}
    base = _DEFAULT_BASE if config.anthropic_api_base is None else config.anthropic_api_base
    origin, path = parse_url(base, f"{GROUP}.anthropic_api_base")
    path = path.rstrip("/")
    target = f"{path}/messages" if re.search(r"/v[0-9]+\Z", path) else f"{path}/v1/messages"
    return Anthropic(model.name, origin, render_head(origin, target, headers))
