"""Cohere's chat API: its settings, and the translator that is made of them.

The base URL says which version of the API is spoken: the older one where its path ends in `/v1`, as many tools still
write it.  Requests are written by cohere_request.py and cohere_v1.py, and answers read by the modules beside them.
This module must not know how either looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from cloche.domain.chat import ChatRequest, ChatResponse, FinishReason
from cloche.domain.endpoint import CHAT_TASK, EMBEDDINGS_TASK, ExternalModel
from cloche.domain.errors import Problem, ProviderUnavailable
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers import cohere_answer, cohere_request, cohere_v1, cohere_v1_answer
from cloche.providers.base import Decoder, render_head, status_in_error
from cloche.providers.cohere_embeddings import CohereEmbedder
from cloche.providers.profile import Profile, examples
from cloche.providers.settings_reading import Faults, base_url, credential
from cloche.providers.site import Site

_encode = msgspec.json.Encoder().encode

GROUP = "cohere_config"
CANCELLED = 499
"""Cohere's status for a request that was cancelled, also by a failure of its own: trying again helps."""


class CohereConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The `cohere_config` object of a served entity."""

    cohere_api_key: str | None = None
    cohere_api_key_plaintext: str | None = None
    cohere_api_base: Annotated[
        str, Meta(description="the base URL; `/v2/chat` is added, or `/chat` where it ends in `/v1`")
    ] = "https://api.cohere.com"


class _Dialect(NamedTuple):
    """How one version of the API is written and read."""

    render: Callable[[ChatRequest, Report], dict[str, Any]]
    read_answer: Callable[[bytes, cohere_answer.ErrorObject], ChatResponse]
    decoder: Callable[[cohere_answer.ErrorObject], Decoder]


_V1 = _Dialect(cohere_v1.render, cohere_v1_answer.read_answer, cohere_v1_answer.CohereV1Decoder)
_V2 = _Dialect(cohere_request.render, cohere_answer.read_answer, cohere_answer.CohereDecoder)


class Cohere:
    """A served entity behind Cohere's `/chat`."""

    __slots__ = ("_dialect", "_site", "model")

    takes_n = False
    finishes: Mapping[str, FinishReason | None] = cohere_answer.FINISH

    def __init__(self, model: str, site: Site, dialect: _Dialect) -> None:
        self.model = model
        self._site = site
        self._dialect = dialect

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> HttpCall:
        """One call for one choice.  BadRequest for content that Cohere cannot read."""
        body = {"model": self.model, "stream": stream, **self._dialect.render(request, report)}
        return self._site.call(_encode(body))

    def decode(self, body: bytes) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none; for an error object in its place, what that means."""
        return self._dialect.read_answer(body, self._error_object)

    def decoder(self) -> Decoder:
        """The reader of one stream."""
        return self._dialect.decoder(self._error_object)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """Cohere's refusal, by its status: its error bodies have a message and no code."""
        if status == CANCELLED:
            return ProviderUnavailable("cohere cancelled the request (status 499)")
        return self._site.refusal(status, headers, body)

    def _error_object(self, body: bytes) -> Problem:
        return self.error(status_in_error(body), {}, body)


def bind(model: ExternalModel) -> Cohere | CohereEmbedder:
    """The translator for a served entity with provider `cohere`.  InvalidSettings names what is wrong."""
    found = Faults(GROUP)
    config = found.read(CohereConfig, model.settings)
    with found:
        key = credential(config, "cohere_api_key", GROUP)
    with found:
        origin, path = base_url(config.cohere_api_base, f"{GROUP}.cohere_api_base")
    found.settle()
    headers = {"authorization": f"Bearer {key}"}
    if model.task == EMBEDDINGS_TASK:
        path = path.removesuffix("/v1").removesuffix("/v2")
        return CohereEmbedder(model.name, Site("cohere", origin, render_head(origin, f"{path}/v2/embed", headers)))
    if path.endswith("/v1"):
        return Cohere(model.name, Site("cohere", origin, render_head(origin, f"{path}/chat", headers)), _V1)
    path = path.removesuffix("/v2")
    return Cohere(model.name, Site("cohere", origin, render_head(origin, f"{path}/v2/chat", headers)), _V2)


PROFILE = Profile(
    CohereConfig,
    examples(ExternalModel("command-a-reasoning-08-2025", "cohere", CHAT_TASK, {"cohere_api_key_plaintext": "x"})),
    page="cohere",
    title="Cohere",
)
