"""The chat models of Vertex AI by the dialects they speak: generateContent, Anthropic's, OpenAI's.

Google's own models, and those tuned from them, speak the first.  Of its partners', Claude speaks Anthropic's and
Mistral's speak OpenAI's, each passed on by `rawPredict`; all others are behind one address that speaks OpenAI's.  Must
not know settings or how tokens are obtained.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cloche.domain.chat import ChatRequest, ChatResponse, FinishReason
from cloche.domain.errors import Problem
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers import anthropic_answer, anthropic_request, gemini_answer, gemini_request
from cloche.providers.base import Foreign, InvalidSettings, Translator, status_in_error
from cloche.providers.compatible import SERVICES, Adapted
from cloche.providers.gemini_request import Dialect
from cloche.providers.openai_shaped import OpenAIShaped
from cloche.providers.vertex_project import Project

ANTHROPIC_VERSION = "vertex-2023-10-16"
"""Stands in the body; the only one there is."""

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*(/[A-Za-z0-9][A-Za-z0-9._@-]*)?")
_TUNED = re.compile(r"(?:endpoints/)?([0-9]+)")
_MISTRALS = ("mistral", "ministral", "codestral")


class VertexGemini:
    """A model of Google's.  `place`: below the region."""

    __slots__ = ("_dialect", "_project", "_stream_head", "_whole_head", "model")

    finishes: Mapping[str, FinishReason | None] = gemini_answer.FINISH

    takes_n = True
    """One call gives several candidates."""

    def __init__(self, model: str, place: str, project: Project) -> None:
        self.model = model
        self._project = project
        self._dialect = Dialect(model, call_ids=False)
        self._whole_head = project.head(f"{place}:generateContent")
        self._stream_head = project.head(f"{place}:streamGenerateContent?alt=sse")

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> HttpCall:
        """The call to make.  BadRequest for what these models cannot do."""
        head = self._stream_head if stream else self._whole_head
        return self._project.call(head, gemini_request.body(request, report, self._dialect))

    def decode(self, body: bytes) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none; for an error object in it, its Problem."""
        return gemini_answer.decode(body, self._error_in)

    def decoder(self) -> gemini_answer.GenerateDecoder:
        """The reader of a stream."""
        return gemini_answer.GenerateDecoder(self._error_in)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """What an answer other than 200 means."""
        return self._project.error(status, headers, body)

    def _error_in(self, body: bytes) -> Problem:
        return self.error(status_in_error(body), {}, body)


class VertexClaude:
    """A Claude model."""

    __slots__ = ("_project", "_stream_head", "_whole_head", "model")

    finishes: Mapping[str, FinishReason | None] = anthropic_answer.FINISH

    takes_n = False
    """The API gives one choice for a call."""

    def __init__(self, model: str, project: Project) -> None:
        self.model = model
        self._project = project
        self._whole_head = project.head(f"publishers/anthropic/models/{model}:rawPredict")
        self._stream_head = project.head(f"publishers/anthropic/models/{model}:streamRawPredict")

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> HttpCall:
        """The call to make; the URL tells the model.  BadRequest for what this API has no place for."""
        body = {**anthropic_request.encode(request, report, self.model), "anthropic_version": ANTHROPIC_VERSION}
        if stream:
            body["stream"] = True
        return self._project.call(self._stream_head if stream else self._whole_head, body)

    def decode(self, body: bytes) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none; the Problem of an error object."""
        return anthropic_answer.decode(body, self._error_inside)

    def decoder(self) -> anthropic_answer.AnthropicDecoder:
        """The reader of a stream."""
        return anthropic_answer.AnthropicDecoder(self._error_inside)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """A refusal, by Google or by the model's own service."""
        return self._project.error(status, headers, body)

    def _error_inside(self, status: int, body: bytes) -> Problem:
        return self.error(status, {}, body)


class VertexMistral(Adapted):
    """A model of Mistral's: their dialect, with one address for whole answers and one for streams.

    What follows an @ in its name is a version, which belongs to the address alone.
    """

    __slots__ = ("_stream_head",)

    def __init__(self, model: str, project: Project) -> None:
        place = f"publishers/mistralai/models/{model}"
        super().__init__(model.partition("@")[0], SERVICES["mistral"], project.site(f"{place}:rawPredict"))
        self._stream_head = project.head(f"{place}:streamRawPredict")

    def encode(self, request: ChatRequest, *, stream: bool) -> HttpCall:
        """The client's fields in their own bytes, but for what Mistral calls otherwise or refuses."""
        call = super().encode(request, stream=stream)
        return HttpCall(call.origin, self._stream_head, call.body, call.authorizer) if stream else call


def chat_model(name: str, project: Project) -> Translator | Foreign:
    """The translator for a model, by its name, which was checked.  InvalidSettings for one that leads nowhere."""
    tuned = _TUNED.fullmatch(name)
    if tuned is not None:
        return VertexGemini(name, f"endpoints/{tuned[1]}", project)
    if "/" in name:
        return OpenAIShaped(name, project.site("endpoints/openapi/chat/completions"))
    if name.startswith("claude-"):
        return VertexClaude(name, project)
    if name.startswith(_MISTRALS):
        return VertexMistral(name, project)
    if name.endswith("-maas"):
        raise InvalidSettings([("name", f"'{name}' is a partner's model: give its publisher, too, as in meta/{name}")])
    return VertexGemini(name, f"publishers/google/models/{name}", project)


def check_name(name: str) -> None:
    """InvalidSettings for a name that cannot stand in a URL."""
    if not _MODEL.fullmatch(name):
        raise InvalidSettings([("name", f"'{name}' is no name of a model of Vertex AI")])
