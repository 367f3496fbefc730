"""Requests in the dialect of generateContent, which the Gemini API and Vertex AI share: from the canonical form.

Every field of the request is told of in the report.  What is unknown here goes on under its own name, so that
`safetySettings` or `cachedContent` can be given as they are; an object of ours that is given too, as
`generationConfig`, is laid over what was made.  Must not know URLs, credentials or answers.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from cloche.domain.chat import ChatParams, ChatRequest, NamedTool, Tool
from cloche.domain.errors import BadRequest
from cloche.domain.translation import Report
from cloche.providers.gemini_messages import Conversation, schema_instruction

Json = dict[str, Any]

_ENDS_AT_MOST = 5
_LARGEST_SEED = 2**31

_OURS = frozenset(
    ("client_request_id", "usage_context", "extra_params", "enable_safety_filter", "model", "stream", "stream_options")
)
"""For cloche itself, or told by the URL of the call; usage comes in every stream."""

_NOTHING_LIKE_IT = (
    "logit_bias",
    "user",
    "metadata",
    "service_tier",
    "store",
    "prediction",
    "modalities",
    "audio",
    "verbosity",
    "web_search_options",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "functions",
    "function_call",
)
"""Fields of OpenAI's API; an unknown name is refused by this one."""

_MADE_OF_MESSAGES = frozenset(("contents", "systemInstruction", "system_instruction"))
"""Never taken as they are: what is said to the model is what stands in `messages`, which others read too."""

_PASSED = ("temperature", "seed")
_RENAMED = MappingProxyType(
    {
        "top_p": "topP",
        "top_k": "topK",
        "presence_penalty": "presencePenalty",
        "frequency_penalty": "frequencyPenalty",
        "logprobs": "responseLogprobs",
        "top_logprobs": "logprobs",
        "n": "candidateCount",
    }
)

_MODES = MappingProxyType({"auto": "AUTO", "none": "NONE", "required": "ANY"})


class Dialect(NamedTuple):
    """Where the two services differ, and the model's name, which tells how it reasons.

    `call_ids`: whether function calls and responses may bear ids; Vertex AI refuses them.
    """

    model: str
    call_ids: bool = True

    @property
    def generation(self) -> float:
        """1.5, 2.0, 2.5, 3…; of a name that does not say, 2.5: its words are understood by all since."""
        found = re.search(r"gemini-(\d+(?:\.\d+)?)", self.model)
        return float(found[1]) if found else 2.5


def body(request: ChatRequest, report: Report, dialect: Dialect) -> Json:
    """The body of the call.  BadRequest names what these models cannot do."""
    params = request.params
    talk = Conversation(request, report, call_ids=dialect.call_ids)
    config = _sampling(request, report)
    _format(params, dialect, report, config, talk)
    thinking = _thinking(params, dialect, report)
    if thinking:
        config["thinkingConfig"] = thinking
    made: Json = {"contents": talk.contents}
    if talk.system:
        made["systemInstruction"] = {"parts": talk.system}
    made |= _tools(request, report)
    if config:
        made["generationConfig"] = config
    _extras(request, report, made)
    return made


def _given(params: ChatParams, name: str) -> bool:
    return getattr(params, name) is not None


# ---------------------------------------------------------------- generationConfig


def _sampling(request: ChatRequest, report: Report) -> Json:
    params = request.params
    config: Json = {}
    if request.max_tokens is not None:
        config["maxOutputTokens"] = request.max_tokens
        report.note("mapped", "max_tokens" if params.max_tokens else "max_completion_tokens")
        if params.max_tokens and params.max_completion_tokens:
            report.note("dropped", "max_completion_tokens", "max_tokens is given")
    for name in _PASSED:
        if _given(params, name):
            config[name] = getattr(params, name)
            report.note("passed", name)
    for name, theirs in _RENAMED.items():
        if _given(params, name):
            config[theirs] = getattr(params, name)
            report.note("mapped", name)
    if params.seed is not None and not -_LARGEST_SEED <= params.seed < _LARGEST_SEED:
        config["seed"] = params.seed % _LARGEST_SEED
        report.note("clamped", "seed", "it has 32 bits")
    if request.stop:
        config["stopSequences"] = request.stop[:_ENDS_AT_MOST]
        too_many = len(request.stop) > _ENDS_AT_MOST
        report.note("clamped" if too_many else "mapped", "stop", f"at most {_ENDS_AT_MOST} are taken")
    return config


def _format(params: ChatParams, dialect: Dialect, report: Report, config: Json, talk: Conversation) -> None:
    """What the answer must be, as a demand; before Gemini 3, which takes none beside tools, as an instruction."""
    wanted = params.response_format
    if wanted is None:
        return
    report.note("mapped", "response_format")
    if wanted.type == "text":
        return
    schema = None if wanted.json_schema is None else wanted.json_schema.schema
    if params.tools and dialect.generation < 3:
        talk.system.append({"text": schema_instruction(schema)})
        report.note("emulated", "response_format")
        return
    config["responseMimeType"] = "application/json"
    if schema is not None:
        config["responseJsonSchema"] = schema


# ---------------------------------------------------------------- reasoning

_BUDGETS = MappingProxyType(
    {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
)
"""Tokens for each effort, as Google's own OpenAI-shaped API has them."""

_LEVELS = MappingProxyType({"none": "minimal", "xhigh": "high", "max": "high"})
"""Efforts that Gemini 3 has no level for, by the nearest that it has."""

_LEAST_OF_PRO = 128
"""A Pro model of 2.5 cannot but reason; this is its smallest budget."""


def _thinking(params: ChatParams, dialect: Dialect, report: Report) -> Json:
    """The thinkingConfig; empty where none is due.  Thoughts are shown where `thinking` asks for them."""
    names = [name for name in ("thinking", "reasoning_effort") if _given(params, name)]
    if not names or dialect.generation < 2.5:
        for name in names:
            report.note("dropped", name, "this model does not reason")
        return {}
    if params.thinking is None:
        return _effort(params.reasoning_effort or "none", "reasoning_effort", dialect, report)
    if params.reasoning_effort is not None:
        report.note("dropped", "reasoning_effort", "thinking is given")
    kind, budget = params.thinking.get("type"), params.thinking.get("budget_tokens")
    if kind == "disabled":
        return _effort("none", "thinking", dialect, report)
    if kind not in ("enabled", "adaptive"):
        raise BadRequest("thinking.type: must be enabled, adaptive or disabled")
    report.note("mapped", "thinking")
    shown: Json = {"includeThoughts": True}
    if budget is None:
        return shown
    if type(budget) is not int or budget < 0:
        raise BadRequest("thinking.budget_tokens: must be a whole number of tokens")
    return shown | {"thinkingBudget": budget}


def _effort(effort: str, field: str, dialect: Dialect, report: Report) -> Json:
    """An effort as a level, or before Gemini 3 as a budget."""
    pro = "pro" in dialect.model
    if dialect.generation >= 3:
        level = _LEVELS.get(effort, effort)
        if pro and level == "minimal":
            level = "low"
        report.note("mapped" if level == effort else "clamped", field, f"the nearest level is {level}")
        return {"thinkingLevel": level}
    budget = _BUDGETS[effort]
    if pro and budget == 0:
        report.note("clamped", field, "this model always reasons")
        return {"thinkingBudget": _LEAST_OF_PRO}
    report.note("clamped" if effort in ("xhigh", "max") else "mapped", field, "high is the most there is")
    return {"thinkingBudget": budget}


# ---------------------------------------------------------------- tools


def _tools(request: ChatRequest, report: Report) -> Json:
    params = request.params
    if params.parallel_tool_calls is not None:
        report.note(
            "mapped" if params.parallel_tool_calls else "dropped", "parallel_tool_calls", "calls may always be parallel"
        )
    if not params.tools:
        for name in ("tools", "tool_choice"):
            if _given(params, name):
                report.note("mapped", name)
        return {}
    report.note("mapped", "tools")
    functions = [_declaration(tool) for tool in params.tools if tool.function is not None]
    made: Json = {"tools": [*_own_tools(request), *([{"functionDeclarations": functions}] if functions else [])]}
    if any(tool.function is not None and tool.function.strict for tool in params.tools):
        report.note("dropped", "tools.strict")
    if b'"cache_control"' in bytes(request.fields.get("tools") or b""):
        report.note("dropped", "tools.cache_control", "prompts are cached unasked")
    choice = params.tool_choice
    if choice is not None:
        report.note("mapped", "tool_choice")
        calling: Json = {"mode": "ANY" if isinstance(choice, NamedTool) else _MODES[choice]}
        if isinstance(choice, NamedTool):
            calling["allowedFunctionNames"] = [choice.function.name]
        if functions:
            made["toolConfig"] = {"functionCallingConfig": calling}
    return made


def _declaration(tool: Tool) -> Json:
    function = tool.function
    assert function is not None
    declared: Json = {"name": function.name, "description": function.description or ""}
    return declared | ({} if function.parameters is None else {"parametersJsonSchema": function.parameters})


def _own_tools(request: ChatRequest) -> list[Json]:
    """The provider's own tools: `{"type": "googleSearch"}`, with an object of that name where there are settings."""
    raw = msgspec.json.decode(request.fields.get("tools") or b"[]")
    found = []
    for given in raw:
        kind = given.get("type", "function")
        if kind != "function":
            found.append({kind: given.get(kind) or {}})
    return found


# ---------------------------------------------------------------- the rest


def _extras(request: ChatRequest, report: Report, made: Json) -> None:
    known = frozenset(ChatParams.__struct_fields__)
    for name, value in request.fields.items():
        if name in _OURS or bytes(value) == b"null":
            continue
        if name in _MADE_OF_MESSAGES:
            raise BadRequest(f"{name}: give what it says as messages")
        if name in _NOTHING_LIKE_IT:
            report.note("dropped", name)
        elif name not in known:
            report.note("passed", name)
            ours, theirs = made.get(name), msgspec.json.decode(value)
            made[name] = ours | theirs if isinstance(ours, dict) and isinstance(theirs, dict) else theirs
