"""Services that speak OpenAI's dialect, each a row of data: where it is, and in what it differs.

A request passes on in the client's own bytes but for the fields that the row names: those that the service calls
otherwise are renamed, and those that it would refuse are left out; both are told in the report.  A row has what the
service's documents or its answers say, and nothing else: what is not named is the service's to judge.  Must not know
models: what one model of a service cannot do, the service says itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Raw

from cloche.domain.chat import ChatRequest, FinishReason
from cloche.domain.endpoint import CHAT_TASK, ExternalModel
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers.base import render_head
from cloche.providers.openai_shaped import NOT_FORWARDED, SAME_FINISHES, OpenAIShaped
from cloche.providers.profile import Profile
from cloche.providers.settings_reading import Faults, base_url, credential, required
from cloche.providers.site import Site

_encode = msgspec.json.Encoder().encode
_read_messages = msgspec.json.Decoder(list[dict[str, Raw]]).decode

NO_RENAMES: Mapping[str, str] = MappingProxyType({})
_OLD_BOUND = MappingProxyType({"max_completion_tokens": "max_tokens"})
"""For services that know the bound on an answer's length by its older name only."""


class Service(NamedTuple):
    """One service.

    `title`: as people write it.  `base`: where it is unless the settings say otherwise; empty: they must.
    `keyless`: a key is not needed.  `renamed`: the API's name of a field to the service's own.  `refused`: fields that
    it answers with an error.  `developer`: whether it knows the role; else such messages go as the system's, which is
    what the role means.
    `asks_usage`: whether `stream_options` may be sent.  `finishes`: its own finish reasons; None: the answer failed.
    """

    title: str
    base: str
    keyless: bool = False
    renamed: Mapping[str, str] = NO_RENAMES
    refused: frozenset[str] = frozenset()
    developer: bool = True
    asks_usage: bool = True
    finishes: Mapping[str, FinishReason | None] = SAME_FINISHES


SERVICES = MappingProxyType(
    {
        # Forbids every field that it does not know, with 422.  Usage comes with the last event, asked for or not.
        "mistral": Service(
            "Mistral AI",
            "https://api.mistral.ai/v1",
            renamed=MappingProxyType({**_OLD_BOUND, "seed": "random_seed"}),
            refused=frozenset(
                (
                    *("logit_bias", "logprobs", "top_logprobs", "top_k", "user", "service_tier", "thinking", "store"),
                    *("verbosity", "modalities", "audio", "functions", "function_call", "safety_identifier"),
                    "web_search_options",
                )
            ),
            developer=False,
            asks_usage=False,
            finishes=MappingProxyType({"model_length": "length", "error": None}),
        ),
        "groq": Service(
            "Groq", "https://api.groq.com/openai/v1", refused=frozenset(("logit_bias", "logprobs", "top_logprobs"))
        ),
        "together": Service(
            "Together AI", "https://api.together.xyz/v1", renamed=_OLD_BOUND, finishes=MappingProxyType({"eos": "stop"})
        ),
        "fireworks": Service("Fireworks AI", "https://api.fireworks.ai/inference/v1"),
        # An answer that lacks resources breaks off in the middle: "length" is the API's word for one that is not whole.
        "deepseek": Service(
            "DeepSeek",
            "https://api.deepseek.com",
            renamed=_OLD_BOUND,
            developer=False,
            finishes=MappingProxyType({"insufficient_system_resource": "length"}),
        ),
        "xai": Service("xAI", "https://api.x.ai/v1"),
        "openrouter": Service("OpenRouter", "https://openrouter.ai/api/v1", finishes=MappingProxyType({"error": None})),
        "perplexity": Service("Perplexity", "https://api.perplexity.ai", renamed=_OLD_BOUND, developer=False),
        "cerebras": Service(
            "Cerebras",
            "https://api.cerebras.ai/v1",
            refused=frozenset(("frequency_penalty", "presence_penalty", "logit_bias")),
            developer=False,
        ),
        "huggingface": Service(
            "Hugging Face",
            "https://router.huggingface.co/v1",
            renamed=_OLD_BOUND,
            finishes=MappingProxyType({"eos_token": "stop", "stop_sequence": "stop"}),
        ),
        "ollama": Service("Ollama", "http://127.0.0.1:11434/v1", keyless=True, renamed=_OLD_BOUND),
        "vllm": Service("vLLM", "http://127.0.0.1:8000/v1", keyless=True),
        # No default: its own, port 8080, is cloche's, too.
        "llama-cpp": Service("llama.cpp", "", keyless=True),
    }
)


class Adapted(OpenAIShaped):
    """A served entity behind a service that differs in some fields."""

    __slots__ = ("_service",)

    def __init__(self, model: str, service: Service, site: Site) -> None:
        super().__init__(model, site, asks_usage=service.asks_usage)
        self._service = service

    @property
    def differs(self) -> bool:
        """It does."""
        return True

    @property
    def finishes(self) -> Mapping[str, FinishReason | None]:
        """By the row."""
        return self._service.finishes

    def encode(self, request: ChatRequest, *, stream: bool) -> HttpCall:
        """The client's fields in their own bytes, but for what the row says."""
        return super().encode(ChatRequest(request.params, self._fields(request)), stream=stream)

    def note(self, request: ChatRequest, report: Report) -> None:
        """Tell which fields are renamed and which are left out; one that is null is nobody's loss."""
        service = self._service
        for name, value in request.fields.items():
            if name in service.refused:
                if bytes(value) != b"null":
                    report.note("dropped", name, f"{self._site.provider} refuses it")
            elif name in service.renamed or (name == "messages" and self._has_developer(request)):
                report.note("mapped", name)
            elif name not in NOT_FORWARDED:
                report.note("passed", name)

    def _fields(self, request: ChatRequest) -> dict[str, Raw]:
        service = self._service
        fields = {
            service.renamed.get(name, name): value
            for name, value in request.fields.items()
            if name not in service.refused
        }
        if self._has_developer(request):
            fields["messages"] = Raw(_encode(_as_system(request)))
        return fields

    def _has_developer(self, request: ChatRequest) -> bool:
        return not self._service.developer and any(each.role == "developer" for each in request.params.messages)


def _as_system(request: ChatRequest) -> list[dict[str, Raw]]:
    """The messages in their own bytes, the developer's as the system's."""
    raw = _read_messages(request.fields["messages"])
    return [
        {**fields, "role": Raw(b'"system"')} if message.role == "developer" else fields
        for fields, message in zip(raw, request.params.messages, strict=True)
    ]


# ---------------------------------------------------------------- settings


def group(name: str) -> str:
    """The name of a service's settings object."""
    return f"{_prefix(name)}_config"


def _prefix(name: str) -> str:
    return name.replace("-", "_")


def _config(name: str) -> type[Any]:
    """The shape of a service's settings: its key in one of two forms, and its base URL."""
    prefix = _prefix(name)
    base = f"another base URL than `{SERVICES[name].base}`" if SERVICES[name].base else "the base URL"
    kinds = {"api_key": str | None, "api_key_plaintext": str | None, "api_base": _described(str | None, base)}
    fields = [(f"{prefix}_{field}", kind, None) for field, kind in kinds.items()]
    return msgspec.defstruct(group(name), fields, forbid_unknown_fields=True)


def _described(kind: Any, what: str) -> Any:
    return Annotated[kind, msgspec.Meta(description=what)]


def profile(name: str) -> Profile:
    """What is told of a service: its example is called like itself."""
    prefix, service = _prefix(name), SERVICES[name]
    base = {} if service.base else {f"{prefix}_api_base": "http://127.0.0.1:8080/v1"}
    key = {} if service.keyless else {f"{prefix}_api_key_plaintext": "x"}
    example = ExternalModel("a-model", name, CHAT_TASK, base | key)
    return Profile(_config(name), {name: example}, page="openai-shaped", title=service.title)


def bind(model: ExternalModel) -> OpenAIShaped:
    """The translator for a served entity whose provider is one of SERVICES.  InvalidSettings names what is wrong."""
    name, service = model.provider, SERVICES[model.provider]
    prefix, settings_name = _prefix(name), group(name)
    found = Faults(settings_name)
    config = found.read(_config(name), model.settings)
    base_field = f"{prefix}_api_base"
    base = getattr(config, base_field)
    with found:
        if not service.base:
            why = "this field is required: the service has no address of its own"
            required(config, (base_field,), settings_name, why)
        origin, path = base_url(service.base if base is None else base, f"{settings_name}.{base_field}")
    with found:
        key = credential(config, f"{prefix}_api_key", settings_name, required=not service.keyless)
    found.settle()
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    site = Site(name, origin, render_head(origin, f"{path}/chat/completions", headers))
    plain = Service(service.title, service.base, service.keyless)
    if service == plain:
        return OpenAIShaped(model.name, site)
    return Adapted(model.name, service, site)
