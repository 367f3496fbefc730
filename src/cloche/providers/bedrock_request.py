"""Canonical requests as bodies of Bedrock's Converse, which are the same for a whole answer and a stream.

Every field that the client gave is noted in the report.  What the API has for all models stands at the top, what one
maker has stands in `additionalModelRequestFields`; the fields that Claude models take of sampling and reasoning are
decided where Anthropic's own API is spoken.  What a model is and can is in bedrock_models.py, the turns of the
conversation in bedrock_messages.py.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from cloche.domain.chat import ChatParams, ChatRequest
from cloche.domain.errors import BadRequest
from cloche.domain.translation import Fate, Report
from cloche.providers import anthropic_request, anthropic_schema
from cloche.providers.bedrock_messages import Block, Conversation
from cloche.providers.bedrock_models import Traits
from cloche.providers.bedrock_tools import tool_config
from cloche.providers.gemini_messages import schema_instruction
from cloche.providers.message_fields import note_unheard

NOT_TAKEN = ("logit_bias", "logprobs", "top_logprobs", "user", "parallel_tool_calls")
"""Modelled fields that this API has nothing like; `parallel_tool_calls` true is what it does anyway."""

_BY_MAKER = ("seed", "presence_penalty", "frequency_penalty")
"""Modelled fields that some makers have."""

_MORE = "additionalModelRequestFields"

_OWN = frozenset(
    (
        _MORE,
        "additionalModelResponseFieldPaths",
        "guardrailConfig",
        "inferenceConfig",
        "outputConfig",
        "performanceConfig",
        "requestMetadata",
        "serviceTier",
        "toolConfig",
    )
)
"""The API's own fields, which a client may give as they are; any other that is unknown is a model's."""

_MADE_OF_MESSAGES = frozenset(("system", "promptVariables"))
"""Never taken as they are: what is said to the model is what stands in `messages`, which others read too."""

_TIERS = ("default", "flex", "priority", "reserved")

_LEVELS = MappingProxyType({"minimal": "low", "xhigh": "high", "max": "high"})
"""Efforts of reasoning that only Claude models know, by the nearest that the others have."""

_CLAUDE = (
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "thinking",
    "reasoning_effort",
)
"""Modelled fields whose fate depends on the generation of a Claude model."""


def encode(request: ChatRequest, report: Report, model: Traits) -> dict[str, Any]:
    """The body.  BadRequest for what this API has no place for."""
    talk = Conversation(msgspec.json.decode(request.fields["messages"]), report, model.maker)
    note_unheard(request.fields["messages"], report)
    return _Body(request, report, model, talk).fields()


class _Body:
    """One request on its way into a body."""

    __slots__ = ("_body", "_inference", "_model", "_more", "_params", "_report", "_request", "_talk")

    def __init__(self, request: ChatRequest, report: Report, model: Traits, talk: Conversation) -> None:
        self._request = request
        self._params = request.params
        self._report = report
        self._model = model
        self._talk = talk
        self._body: dict[str, Any] = {}
        self._inference: Block = {}  # inferenceConfig
        self._more: Block = {}  # additionalModelRequestFields

    def fields(self) -> dict[str, Any]:
        """The body, field by field."""
        if self._model.claude:
            self._as_claude()
        else:
            self._sampling()
            self._reasoning()
        tools = tool_config(self._request, self._report, self._model, self._talk)
        self._response_format()
        self._caller()
        self._nothing_like_it()
        made = {
            "system": self._talk.system,
            "inferenceConfig": self._inference,
            "toolConfig": tools,
            _MORE: self._more,
        }
        self._body |= {name: value for name, value in made.items() if value}
        self._body["messages"] = self._talk.turns
        self._unknown()
        return self._body

    # ------------------------------------------------------------ sampling and reasoning

    def _as_claude(self) -> None:
        """What a Claude model takes depends on its generation and on whether it reasons: Anthropic's own API says."""
        given = {name: value for name in _CLAUDE if (value := getattr(self._params, name)) is not None}
        tools = {name: getattr(self._params, name) for name in ("tools", "tool_choice")}
        fields = {name: self._request.fields[name] for name in ("messages", "tools") if name in self._request.fields}
        if self._params.thinking is None and self._params.reasoning_effort is None:
            # Only reasoning looks at the conversation, which may be large.
            fields["messages"] = Raw(b'[{"role": "user", "content": "."}]')
        alone = ChatRequest(ChatParams(messages=self._params.messages, **tools, **given), fields)
        made = anthropic_request.encode(alone, _Part(self._report, frozenset(given)), self._model.name)
        if self._request.max_tokens is not None:
            self._inference["maxTokens"] = made["max_tokens"]
        for theirs, ours in (("temperature", "temperature"), ("top_p", "topP"), ("stop_sequences", "stopSequences")):
            if theirs in made:
                self._inference[ours] = made[theirs]
        self._more |= {name: made[name] for name in ("top_k", "thinking", "output_config") if name in made}

    def _sampling(self) -> None:
        params, maker = self._params, self._model.maker
        if self._request.max_tokens is not None:
            self._inference["maxTokens"] = self._request.max_tokens
            self._note_if_given("mapped", "max_tokens", "max_completion_tokens")
        if params.temperature is not None:
            self._inference["temperature"] = min(params.temperature, 1)
            self._report.note("clamped" if params.temperature > 1 else "mapped", "temperature", "at most 1")
        if params.top_p is not None:
            self._inference["topP"] = params.top_p
            self._report.note("mapped", "top_p")
        if self._request.stop:
            self._inference["stopSequences"] = self._request.stop
        self._note_if_given("mapped", "stop")
        if params.top_k is not None and maker.top_k:
            *outer, last = maker.top_k
            found: Block = {last: params.top_k}
            for name in reversed(outer):
                found = {name: found}
            self._more |= found
        self._note_if_given("mapped" if maker.top_k else "dropped", "top_k", why="this model has nothing like it")

    def _reasoning(self) -> None:
        params, how = self._params, self._model.reasoning
        if how is None:
            off = params.thinking is None or params.thinking.get("type") == "disabled"
            self._note_if_given("mapped" if off else "dropped", "thinking", why="this model cannot be told to")
            off = params.reasoning_effort == "none"
            self._note_if_given("mapped" if off else "dropped", "reasoning_effort", why="this model cannot be told to")
            return
        effort = params.reasoning_effort
        if params.thinking is not None:
            on = params.thinking.get("type") != "disabled"
            budget = on and "budget_tokens" in params.thinking
            self._report.note("clamped" if budget else "mapped", "thinking", "this model takes no budget")
            effort = "none" if not on else effort or "medium"
        if effort is None:
            return
        level = _LEVELS.get(effort, effort)
        self._note_if_given("mapped" if level == effort else "clamped", "reasoning_effort", why=f"as {level}")
        if how == "nova":
            self._nova(level)
        elif level != "none":
            self._more["reasoning_effort" if how == "effort" else "reasoning_config"] = level

    def _nova(self, level: str) -> None:
        """Nova reasons without bounds at its highest effort: then it refuses the fields of sampling and length."""
        if level == "none":
            self._more["reasoningConfig"] = {"type": "disabled"}
            return
        self._more["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": level}
        if level == "high":
            self._inference = {name: value for name, value in self._inference.items() if name == "stopSequences"}
            self._more.pop("inferenceConfig", None)
            names = ("max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k")
            self._note_if_given("dropped", *names, why="not at this model's highest effort")

    # ------------------------------------------------------------ the answer's form

    def _response_format(self) -> None:
        wanted = self._params.response_format
        if wanted is None:
            return
        if wanted.type == "text":
            self._report.note("mapped", "response_format")
            return
        form = wanted.json_schema
        schema = form.schema if form is not None else None
        bound = None
        if schema is not None and self._model.schemas:
            path = "response_format.json_schema.schema"
            bound = anthropic_schema.bound(schema, path) if self._model.claude else schema
        if form is None or bound is None:
            self._talk.system.append({"text": schema_instruction(schema)})
            self._report.note("emulated", "response_format")
            return
        described = {"description": form.description} if form.description else {}
        named = {"name": form.name, **described, "schema": msgspec.json.encode(bound).decode()}
        self._body["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": named}}}
        self._report.note("mapped", "response_format")

    # ------------------------------------------------------------ the rest

    def _caller(self) -> None:
        """Who calls, and by which tier."""
        metadata, tier = self._params.metadata, self._params.service_tier
        if metadata is not None:
            texts = {name: value for name, value in metadata.items() if isinstance(value, str) and value}
            if texts:
                self._body["requestMetadata"] = texts
            whole = len(texts) == len(metadata)
            self._report.note("mapped" if whole else "dropped", "metadata", "only texts are taken")
        if tier in _TIERS:
            self._body["serviceTier"] = {"type": tier}
        self._note_if_given("mapped" if tier in (*_TIERS, "auto") else "dropped", "service_tier")

    def _nothing_like_it(self) -> None:
        """Fields that are dropped; a value that asks for nothing is no loss."""
        for name in _BY_MAKER:
            value = getattr(self._params, name)
            if value is not None and name in self._model.maker.sampling:
                self._more[name] = value
                self._report.note("mapped", name)
            else:
                idle = not value and name != "seed"
                self._note_if_given("mapped" if idle else "dropped", name, why="this model has nothing like it")
        for name in NOT_TAKEN:
            value = getattr(self._params, name)
            idle = bool(value) if name == "parallel_tool_calls" else not value
            self._note_if_given("mapped" if idle else "dropped", name, why="bedrock has nothing like it")

    def _unknown(self) -> None:
        """What cloche does not model: the API's own fields are laid over what was made, any other is the model's."""
        for name, value in self._request.fields.items():
            if name in ChatParams.__struct_fields__ or bytes(value).strip() == b"null":
                continue
            if name in _MADE_OF_MESSAGES:
                raise BadRequest(f"{name}: give what it says as messages")
            if name in anthropic_request.OPENAI_ONLY:
                self._report.note("dropped", name, "bedrock has nothing like it")
                continue
            _lay(self._body if name in _OWN else self._body.setdefault(_MORE, {}), name, value)
            self._report.note("passed", name)

    def _note_if_given(self, fate: Fate, *names: str, why: str = "") -> None:
        for name in names:
            if getattr(self._params, name) is not None:
                self._report.note(fate, name, why)


class _Part(Report):
    """Passes on what is told of some fields; the others are told of elsewhere."""

    __slots__ = ("_names", "_whole")

    def __init__(self, whole: Report, names: frozenset[str]) -> None:
        super().__init__()
        self._whole = whole
        self._names = names

    def note(self, fate: Fate, field: str, why: str = "") -> None:
        """A field's fate, if it is one of them."""
        if field in self._names:
            self._whole.note(fate, field, why)


def _lay(body: dict[str, Any], name: str, given: Raw) -> None:
    """Put a field into a body; two objects become one, in which what the client wrote counts."""
    ours, theirs = body.get(name), msgspec.json.decode(given)
    if name == _MORE and not isinstance(theirs, dict):
        raise BadRequest(f"{name}: must be an object")
    body[name] = ours | theirs if isinstance(ours, dict) and isinstance(theirs, dict) else theirs
