"""Cohere's chat API, version 2: its settings, and the translator that is made of them.

The request is written by cohere_request.py and the answer read by cohere_answer.py.  This module must not know how
either looks, and nothing here speaks version 1.
"""

from __future__ import annotations

import msgspec

from cloche.domain.chat import ChatRequest, ChatResponse
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import Problem, ProviderUnavailable
from cloche.domain.outbound import HttpCall, Origin
from cloche.domain.translation import Report
from cloche.providers.base import credential, parse_url, read_settings, refusal, render_head, status_in_error
from cloche.providers.cohere_answer import CohereDecoder, read_answer
from cloche.providers.cohere_request import render

_encode = msgspec.json.Encoder().encode

GROUP = "cohere_config"
CANCELLED = 499
"""Cohere's status for a request that was cancelled, also by a failure of its own: trying again helps."""


class CohereConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `cohere_config` object of a served entity."""

    cohere_api_key: str | None = None
    cohere_api_key_plaintext: str | None = None
    cohere_api_base: str = "https://api.cohere.com"


class Cohere:
    """A served entity behind Cohere's `/v2/chat`."""

    __slots__ = ("_head", "_origin", "model")

    takes_n = False

    def __init__(self, model: str, origin: Origin, head: bytes) -> None:
        self.model = model
        self._origin = origin
        self._head = head

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> HttpCall:
        """One call for one choice.  BadRequest for content that Cohere cannot read."""
        body = {"model": self.model, "stream": stream, **render(request, report)}
        return HttpCall(self._origin, self._head, (_encode(body),))

    def decode(self, body: bytes) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none; for an error object in its place, what that means."""
        return read_answer(body, self._error_object)

    def decoder(self) -> CohereDecoder:
        """The reader of one stream."""
        return CohereDecoder(self._error_object)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """Cohere's refusal, by its status: its error bodies have a message and no code."""
        if status == CANCELLED:
            return ProviderUnavailable("cohere cancelled the request (status 499)")
        return refusal("cohere", status, headers, body, self._head)

    def _error_object(self, body: bytes) -> Problem:
        return self.error(status_in_error(body), {}, body)


def bind(model: ExternalModel) -> Cohere:
    """The translator for a served entity with provider `cohere`.  InvalidSettings names what is wrong."""
    config = read_settings(CohereConfig, model.settings, GROUP)
    headers = {"authorization": f"Bearer {credential(config, 'cohere_api_key', GROUP)}"}
    origin, path = parse_url(config.cohere_api_base, f"{GROUP}.cohere_api_base")
    return Cohere(model.name, origin, render_head(origin, path.rstrip("/") + "/v2/chat", headers))
