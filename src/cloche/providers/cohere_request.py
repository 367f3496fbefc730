"""What Cohere's chat API, version 2, is asked: the canonical request in its words.

Sources: https://docs.cohere.com/reference/chat for the fields and their ranges,
https://docs.cohere.com/v2/docs/structured-outputs for schemas and strict tools.  Whatever is not passed on as it is, is
noted in the report.  This module must not know answers, settings or heads.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from cloche.domain.chat import ChatParams, ChatRequest, Function, ImageUrl, Message, NamedTool, Part
from cloche.domain.errors import BadRequest
from cloche.domain.translation import Report
from cloche.providers.message_fields import note_unheard

Json = dict[str, Any]

# ---------------------------------------------------------------- fields


class _Number(NamedTuple):
    """Cohere's name for a number, and the least and the most that it takes."""

    name: str
    least: float
    most: float


_NUMBERS = MappingProxyType(
    {
        "temperature": _Number("temperature", 0, 1),
        "top_p": _Number("p", 0.01, 0.99),
        "top_k": _Number("k", 0, 500),
        "seed": _Number("seed", 0, 2**64 - 1),
        "presence_penalty": _Number("presence_penalty", 0, 1),
        "frequency_penalty": _Number("frequency_penalty", 0, 1),
    }
)
_PENALTIES = ("presence_penalty", "frequency_penalty")
MOST_STOPS = 5

_UNHEARD = ("logit_bias", "user", "metadata", "service_tier")
"""Fields of our own vocabulary that Cohere has nothing like."""

_OPENAI_ONLY = frozenset(
    (
        "audio",
        "function_call",
        "functions",
        "modalities",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "verbosity",
        "web_search_options",
    )
)
"""Fields of OpenAI's that are not in our vocabulary; Cohere refuses fields that it does not know."""

_KNOWN = frozenset(ChatParams.__struct_fields__)
_BUDGETS = MappingProxyType({"minimal": 512, "low": 1024, "medium": 8192})
"""Tokens of thinking for the efforts below `high`; from there on the model thinks as long as it likes."""


def render(request: ChatRequest, report: Report) -> Json:
    """The fields of the body but `model` and `stream`.  BadRequest names the content that Cohere cannot read."""
    params = request.params
    fields: Json = {"messages": _turns(request, report)}
    _add_tools(params, fields, report)
    _add_format(request, fields, report)
    add_limits(request, fields, report)
    add_numbers(params, fields, report)
    _add_thinking(params, fields, report)
    _add_logprobs(params, fields, report)
    add_rest(request, fields, report, _UNHEARD)
    report.note("mapped", "messages")
    return fields


def add_rest(request: ChatRequest, fields: Json, report: Report, unheard: Iterable[str]) -> None:
    """The fields that cloche does not know, as they are.  `unheard`: those of our vocabulary that are dropped."""
    for name in unheard:
        if getattr(request.params, name) is not None:
            report.note("dropped", name)
    for name, value in request.fields.items():
        if bytes(value) == b"null":
            continue
        if name in _OPENAI_ONLY:
            report.note("dropped", name)
        elif name not in _KNOWN:
            fields[name] = value
            report.note("passed", name)


def add_limits(request: ChatRequest, fields: Json, report: Report) -> None:
    """The bounds on the answer, which both versions of the API name alike."""
    params = request.params
    if request.max_tokens is not None:
        fields["max_tokens"] = request.max_tokens
    if params.max_tokens is not None:
        report.note("passed", "max_tokens")
    if params.max_completion_tokens is not None:
        report.note("mapped" if params.max_tokens is None else "dropped", "max_completion_tokens")
    if request.stop:
        fields["stop_sequences"] = request.stop[:MOST_STOPS]
        clamped = len(request.stop) > MOST_STOPS
        report.note("clamped" if clamped else "mapped", "stop", f"it takes at most {MOST_STOPS}")
    if params.n is not None:
        report.note("mapped" if params.n == 1 else "emulated", "n")


def add_numbers(params: ChatParams, fields: Json, report: Report) -> None:
    """What steers sampling, which both versions of the API name alike."""
    for name, (theirs, least, most) in _NUMBERS.items():
        value = getattr(params, name)
        if value is None:
            continue
        if name in _PENALTIES and value == 0:
            # Many clients always send both, and some models refuse both together: nothing is the same as 0.
            report.note("mapped", name)
            continue
        fields[theirs] = min(max(value, least), most)
        if fields[theirs] != value:
            report.note("clamped", name, f"it takes {least} to {most}")
        else:
            report.note("passed" if theirs == name else "mapped", name)


def _add_thinking(params: ChatParams, fields: Json, report: Report) -> None:
    effort, thinking = params.reasoning_effort, params.thinking
    if thinking is not None:
        budget = thinking.get("budget_tokens", thinking.get("token_budget"))
        enabled = thinking.get("type") != "disabled"
        fields["thinking"] = {"type": "enabled" if enabled else "disabled"}
        if enabled and budget is not None:
            fields["thinking"]["token_budget"] = budget
        report.note("passed" if fields["thinking"] == thinking else "mapped", "thinking")
        if effort is not None:
            report.note("dropped", "reasoning_effort", "thinking is given too")
    elif effort == "none":
        fields["thinking"] = {"type": "disabled"}
        report.note("mapped", "reasoning_effort")
    elif effort is not None:
        fields["thinking"] = {"type": "enabled"}
        if effort in _BUDGETS:
            fields["thinking"]["token_budget"] = _BUDGETS[effort]
        report.note("emulated", "reasoning_effort")


def _add_logprobs(params: ChatParams, fields: Json, report: Report) -> None:
    if params.logprobs is not None:
        report.note("passed", "logprobs")
        if params.logprobs:
            fields["logprobs"] = True
    if params.top_logprobs is not None:
        report.note("dropped" if params.top_logprobs else "mapped", "top_logprobs", "it gives no alternatives")


# ---------------------------------------------------------------- tools and formats


def _add_tools(params: ChatParams, fields: Json, report: Report) -> None:
    choice = params.tool_choice
    offered = offered_functions(params)
    if params.tools is not None:
        report.note("passed", "tools")
    if offered:
        fields["tools"] = [_tool(function) for function in offered]
        _add_strictness(offered, fields, report)
    if isinstance(choice, NamedTool):
        fields["tool_choice"] = "REQUIRED"  # the only one offered
        report.note("emulated", "tool_choice")
    elif choice is not None:
        if offered and choice != "auto":
            fields["tool_choice"] = choice.upper()
        report.note("mapped", "tool_choice")
    if params.parallel_tool_calls is not None:
        why = "several calls cannot be forbidden"
        report.note("mapped" if params.parallel_tool_calls else "dropped", "parallel_tool_calls", why)


def offered_functions(params: ChatParams) -> list[Function]:
    """The functions that the model is told of: only one if it must be called."""
    functions = []
    for index, tool in enumerate(params.tools or ()):
        if tool.function is None:
            raise BadRequest(f"tools[{index}].type: cohere takes functions only, not '{tool.type}'")
        functions.append(tool.function)
    choice = params.tool_choice
    if isinstance(choice, NamedTool):
        return [function for function in functions if function.name == choice.function.name]
    return functions


def _tool(function: Function) -> Json:
    described: Json = {"name": function.name}
    if function.description is not None:
        described["description"] = function.description
    described["parameters"] = function.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": described}


def _add_strictness(offered: list[Function], fields: Json, report: Report) -> None:
    """Cohere is strict with all tools or with none, and only with tools that have a required parameter."""
    strict = [function for function in offered if function.strict]
    if not strict:
        return
    if len(strict) == len(offered) and all((function.parameters or {}).get("required") for function in strict):
        fields["strict_tools"] = True
        report.note("mapped", "tools.strict")
    else:
        report.note("dropped", "tools.strict", "it is strict with all tools, each with a required parameter, or none")


def _add_format(request: ChatRequest, fields: Json, report: Report) -> None:
    wanted = request.params.response_format
    if wanted is None:
        return
    schema = wanted.json_schema.schema if wanted.json_schema is not None else None
    if wanted.type == "text":
        report.note("mapped", "response_format")
    elif "tools" in fields or "documents" in request.fields:
        # Cohere refuses the two together, and cannot be made to call a tool or to answer as it likes.
        _instruct(fields["messages"], instruction(schema))
        report.note("emulated", "response_format")
    else:
        fields["response_format"] = {"type": "json_object"} | ({} if schema is None else {"json_schema": schema})
        report.note("passed" if schema is None else "mapped", "response_format")


def instruction(schema: Json | None) -> str:
    """What the model is told where its answer cannot be bound to JSON."""
    demand = "Your final answer must be one JSON object, without any other text and without a code fence."
    if schema is None:
        return demand
    return f"{demand} It must be valid under this JSON schema: {msgspec.json.encode(schema).decode()}"


def _instruct(turns: list[Json], demand: str) -> None:
    """Put `demand` at the end of the first system turn, which is made if there is none."""
    if turns[0]["role"] == "system":
        turns[0] = {"role": "system", "content": f"{turns[0]['content']}\n\n{demand}"}
    else:
        turns.insert(0, {"role": "system", "content": demand})


# ---------------------------------------------------------------- messages


def _turns(request: ChatRequest, report: Report) -> list[Json]:
    messages = request.params.messages
    if any(message.name is not None for message in messages):
        report.note("dropped", "messages.name")
    if b'"cache_control"' in bytes(request.fields["messages"]):
        report.note("dropped", "messages.cache_control", "its cache cannot be told what to keep")
    note_unheard(request.fields["messages"], report)
    return [_turn(message, f"messages[{index}]", report) for index, message in enumerate(messages)]


def _turn(message: Message, path: str, report: Report) -> Json:
    match message.role:
        case "system" | "developer":
            if any(part.type != "text" for part in message.content or () if isinstance(part, Part)):
                raise BadRequest(f"{path}.content: cohere takes nothing but text in a {message.role} message")
            return {"role": "system", "content": message.text()}
        case "assistant":
            return _assistant(message, path, report)
        case "tool":
            return {"role": "tool", "tool_call_id": message.tool_call_id, "content": _content(message, path, report)}
        case "user":
            return {"role": "user", "content": _content(message, path, report)}


def _content(message: Message, path: str, report: Report) -> str | list[Json]:
    if not isinstance(message.content, list):
        return message.content or ""
    return [
        _part(part, f"{path}.content[{position}]", message.role, report)
        for position, part in enumerate(message.content)
    ]


def _part(part: Part, path: str, role: str, report: Report) -> Json:
    if part.type == "text":
        return {"type": "text", "text": part.text}
    if part.type == "image_url" and role == "user":
        image = part.image_url if isinstance(part.image_url, ImageUrl) else ImageUrl(part.image_url or "")
        detail = {} if image.detail is None else {"detail": image.detail}
        return {"type": "image_url", "image_url": {"url": image.url, **detail}}
    text = text_within(part)
    if text is None:
        raise BadRequest(f"{path}.type: cohere cannot read this '{part.type}' in a {role} message")
    report.note("emulated", f"messages.{part.type}")
    return {"type": "text", "text": text}


def text_within(part: Part) -> str | None:
    """The text of a document or a file that is nothing but text; None for anything else."""
    source = part.source or {}
    if source.get("type") == "text" and isinstance(source.get("data"), str):
        return str(source["data"])
    if source.get("type") == "base64":
        return _decoded(str(source.get("media_type")), source.get("data"))
    url = (part.file or {}).get("file_data")
    kind, comma, data = url.partition(";base64,") if isinstance(url, str) else ("", "", "")
    return _decoded(kind.removeprefix("data:"), data) if comma else None


def _decoded(kind: str, data: Any) -> str | None:
    if not isinstance(data, str) or not kind.startswith(("text/", "application/json")):
        return None
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _assistant(message: Message, path: str, report: Report) -> Json:
    """What the model said.  Its reasoning was a plan where it called tools, and thinking where it did not."""
    turn: Json = {"role": "assistant"}
    thoughts, said = said_by(message, path, report)
    if message.tool_calls:
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": call.function.arguments.strip() or "{}"},
            }
            for call in message.tool_calls
        ]
        if thoughts:
            turn["tool_plan"] = "\n".join(thoughts)
        return turn | ({"content": said} if said else {})
    if not thoughts:
        return turn | {"content": said}
    blocks = [{"type": "thinking", "thinking": thought} for thought in thoughts]
    return turn | {"content": [*blocks, *([{"type": "text", "text": said}] if said else ())]}


def said_by(message: Message, path: str, report: Report) -> tuple[list[str], str]:
    """The thoughts of an assistant's message, and its text."""
    if not isinstance(message.content, list):
        return [], message.content or ""
    thoughts: list[str] = []
    text = ""
    for position, part in enumerate(message.content):
        if part.type == "reasoning":
            found = [str(each["text"]) for each in part.summary or () if each.get("text")]
            thoughts += found
            # What another provider wrote and keeps secret, or signed, means nothing here.
            if not found or any("signature" in each for each in part.summary or ()):
                report.note("dropped", "messages.reasoning.signature")
        elif part.type in ("text", "refusal"):
            text += part.text or part.refusal or ""
        else:
            raise BadRequest(f"{path}.content[{position}].type: cohere takes no '{part.type}' in an assistant message")
    return thoughts, text
