"""The chat models of Vertex AI by the dialects they speak: generateContent, Anthropic's, OpenAI's.

Google's own models, and those tuned from them, speak the first.  Of its partners', Claude speaks Anthropic's and
Mistral's speak OpenAI's, each passed on by `rawPredict`; all others are behind one address that speaks OpenAI's.  Must
not know settings or how tokens are obtained.
"""

from __future__ import annotations

import re

import msgspec

from cloche.domain.chat import ChatRequest
from cloche.domain.errors import Problem
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers import anthropic_request
from cloche.providers.anthropic import Anthropic
from cloche.providers.base import Foreign, InvalidSettings, Translator
from cloche.providers.compatible import SERVICES, Adapted
from cloche.providers.gemini import Gemini
from cloche.providers.gemini_request import Dialect
from cloche.providers.openai_shaped import OpenAIShaped
from cloche.providers.vertex_project import Project

_encode = msgspec.json.Encoder().encode

ANTHROPIC_VERSION = "vertex-2023-10-16"
"""Stands in the body; the only one there is."""

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*(/[A-Za-z0-9][A-Za-z0-9._@-]*)?")
_TUNED = re.compile(r"(?:endpoints/)?([0-9]+)")
_MISTRALS = ("mistral", "ministral", "codestral")


class VertexClaude(Anthropic):
    """A Claude model: Anthropic's dialect, with one address for whole answers and one for streams."""

    __slots__ = ("_project", "_stream")

    def __init__(self, model: str, project: Project) -> None:
        super().__init__(model, project.site(f"publishers/anthropic/models/{model}:rawPredict"))
        self._project = project
        self._stream = project.site(f"publishers/anthropic/models/{model}:streamRawPredict")

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> HttpCall:
        """The call to make; the URL tells the model.  BadRequest for what this API has no place for."""
        body = {**anthropic_request.encode(request, report, self.model), "anthropic_version": ANTHROPIC_VERSION}
        if stream:
            body["stream"] = True
        return (self._stream if stream else self._site).call(_encode(body))

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """A refusal, by Google or by the model's own service."""
        return self._project.error(status, headers, body)


class VertexMistral(Adapted):
    """A model of Mistral's: their dialect, with one address for whole answers and one for streams.

    What follows an @ in its name is a version, which belongs to the address alone.
    """

    __slots__ = ("_stream",)

    def __init__(self, model: str, project: Project) -> None:
        place = f"publishers/mistralai/models/{model}"
        super().__init__(model.partition("@")[0], SERVICES["mistral"], project.site(f"{place}:rawPredict"))
        self._stream = project.site(f"{place}:streamRawPredict")

    def encode(self, request: ChatRequest, *, stream: bool) -> HttpCall:
        """The client's fields in their own bytes, but for what Mistral calls otherwise or refuses."""
        call = super().encode(request, stream=stream)
        return HttpCall(call.origin, self._stream.head, call.body, call.authorizer) if stream else call


def chat_model(name: str, project: Project) -> Translator | Foreign:
    """The translator for a model, by its name, which was checked.  InvalidSettings for one that leads nowhere."""
    tuned = _TUNED.fullmatch(name)
    if tuned is not None:
        return _gemini(name, f"endpoints/{tuned[1]}", project)
    if "/" in name:
        return OpenAIShaped(name, project.site("endpoints/openapi/chat/completions"))
    if name.startswith("claude-"):
        return VertexClaude(name, project)
    if name.startswith(_MISTRALS):
        return VertexMistral(name, project)
    if name.endswith("-maas"):
        raise InvalidSettings([("name", f"'{name}' is a partner's model: give its publisher, too, as in meta/{name}")])
    return _gemini(name, f"publishers/google/models/{name}", project)


def _gemini(name: str, place: str, project: Project) -> Gemini:
    """A model of Google's.  `place`: below the region."""
    whole = project.site(f"{place}:generateContent")
    stream = project.site(f"{place}:streamGenerateContent?alt=sse")
    return Gemini(Dialect(name, call_ids=False), whole, stream)


def check_name(name: str) -> None:
    """InvalidSettings for a name that cannot stand in a URL."""
    if not _MODEL.fullmatch(name):
        raise InvalidSettings([("name", f"'{name}' is no name of a model of Vertex AI")])
