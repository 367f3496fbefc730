"""What Cohere's chat API, version 1, is asked: the canonical request in its words.

Version 1 has no list of messages: what is asked now stands apart from what was said before, results of tools from both,
and parameters of tools are given by types of Python.  Source: https://docs.cohere.com/v1/reference/chat.  What both
versions share is cohere_request.py's.  This module must not know answers, settings or heads.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from types import MappingProxyType
from typing import Any

import msgspec

from cloche.domain.chat import ChatParams, ChatRequest, Function, Message, ToolCall
from cloche.domain.errors import BadRequest
from cloche.domain.translation import Report
from cloche.providers.cohere_request import (
    Json,
    add_limits,
    add_numbers,
    add_rest,
    instruction,
    offered_functions,
    said_by,
    text_within,
)
from cloche.providers.message_fields import note_unheard

_UNHEARD = (
    "logit_bias",
    "user",
    "metadata",
    "service_tier",
    "logprobs",
    "top_logprobs",
    "thinking",
    "reasoning_effort",
)
"""Fields of our own vocabulary that version 1 has nothing like."""

_INSTRUCTIONS = ("system", "developer")

_PYTHON_TYPES = MappingProxyType(
    {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "List", "object": "Dict"}
)
"""The type of a parameter, by that of its JSON schema."""


def render(request: ChatRequest, report: Report) -> Json:
    """The fields of the body but `model` and `stream`.  BadRequest names what this version cannot read."""
    params = request.params
    fields = _conversation(request, report)
    _add_tools(params, fields, report)
    _add_format(request, fields, report)
    add_limits(request, fields, report)
    add_numbers(params, fields, report)
    add_rest(request, fields, report, _UNHEARD)
    return fields


# ---------------------------------------------------------------- messages


def _conversation(request: ChatRequest, report: Report) -> Json:
    """`message`, or `tool_results`, which are asked now; `preamble` and `chat_history`, which were said before."""
    messages = request.params.messages
    if any(message.name is not None for message in messages):
        report.note("dropped", "messages.name")
    if b'"cache_control"' in bytes(request.fields["messages"]):
        report.note("dropped", "messages.cache_control", "its cache cannot be told what to keep")
    note_unheard(request.fields["messages"], report)
    report.note("mapped", "messages")
    last = max((index for index, each in enumerate(messages) if each.role not in _INSTRUCTIONS), default=-1)
    if last < 0 or messages[last].role == "assistant":
        raise BadRequest("messages: version 1 of cohere's API answers a user or results of tools, so one must be last")
    asked = range(_run_of_tools(messages, last) if messages[last].role == "tool" else last, last + 1)
    first = next(index for index, each in enumerate(messages) if each.role not in _INSTRUCTIONS)
    calls = {call.id: call for message in messages for call in message.tool_calls or ()}
    said = [(f"messages[{index}]", each) for index, each in enumerate(messages)]
    fields: Json = {}
    if first:
        fields["preamble"] = "\n\n".join(_text(message, path, report) for path, message in said[:first])
    before = [each for index, each in enumerate(said) if index >= first and index not in asked]
    if before:
        fields["chat_history"] = _history(before, calls, report)
    if messages[last].role == "tool":
        results = [_result(message, path, calls, report) for path, message in said[asked.start : asked.stop]]
        return fields | {"message": "", "tool_results": results}
    return fields | {"message": _text(messages[last], f"messages[{last}]", report)}


def _run_of_tools(messages: list[Message], last: int) -> int:
    """Where the results of tools begin that end at `last`."""
    while last and messages[last - 1].role == "tool":
        last -= 1
    return last


def _history(said: list[tuple[str, Message]], calls: dict[str, ToolCall], report: Report) -> list[Json]:
    turns: list[Json] = []
    for is_tool, group in groupby(said, lambda each: each[1].role == "tool"):
        if is_tool:
            results = [_result(message, path, calls, report) for path, message in group]
            turns.append({"role": "TOOL", "tool_results": results})
        else:
            turns += [_turn(message, path, report) for path, message in group]
    return turns


def _turn(message: Message, path: str, report: Report) -> Json:
    if message.role == "user":
        return {"role": "USER", "message": _text(message, path, report)}
    if message.role != "assistant":
        return {"role": "SYSTEM", "message": _text(message, path, report)}
    thoughts, said = said_by(message, path, report)
    if thoughts:
        report.note("dropped", "messages.reasoning", "it has no place for what was thought")
    turn: Json = {"role": "CHATBOT", "message": said}
    if message.tool_calls:
        turn["tool_calls"] = [_call(call, path) for call in message.tool_calls]
    return turn


def _text(message: Message, path: str, report: Report) -> str:
    """The text of a message; documents and files that are text are part of it."""
    if not isinstance(message.content, list):
        return message.content or ""
    texts = []
    for position, part in enumerate(message.content):
        text = part.text if part.type == "text" else text_within(part)
        if text is None:
            where = f"{path}.content[{position}].type"
            raise BadRequest(f"{where}: version 1 of cohere's API reads text only, not '{part.type}'")
        if part.type != "text":
            report.note("emulated", f"messages.{part.type}")
        texts.append(text)
    return "".join(texts)


def _call(call: ToolCall, path: str) -> Json:
    try:
        parameters = msgspec.json.decode(call.function.arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise BadRequest(f"{path}.tool_calls: arguments must be the JSON of an object for cohere") from None
    return {"name": call.function.name, "parameters": parameters}


def _result(message: Message, path: str, calls: dict[str, ToolCall], report: Report) -> Json:
    """A result, with the call that it answers: this version knows no ids."""
    call = calls.get(message.tool_call_id or "")
    if call is None:
        raise BadRequest(f"{path}.tool_call_id: no message before it calls a tool with this id")
    return {"call": _call(call, path), "outputs": _outputs(_text(message, path, report))}


def _outputs(text: str) -> list[Json]:
    """The result as objects, as it is where it is one."""
    try:
        return [msgspec.json.decode(text, type=dict[str, Any])]
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return [{"output": text}]


# ---------------------------------------------------------------- tools and formats


def _add_tools(params: ChatParams, fields: Json, report: Report) -> None:
    offered, choice = offered_functions(params), params.tool_choice
    if choice == "none" and "tool_results" not in fields:
        offered = []
    if params.tools is not None:
        report.note("mapped", "tools")
    if offered:
        fields["tools"] = [_tool(function, report) for function in offered]
    if any(function.strict for function in offered):
        report.note("dropped", "tools.strict")
    if choice == "auto":
        report.note("mapped", "tool_choice")
    elif choice == "none" and not offered:
        report.note("emulated", "tool_choice")  # none is offered
    elif choice is not None:
        report.note("dropped", "tool_choice", "whether it calls is the model's own choice")
    if params.parallel_tool_calls is not None:
        why = "several calls cannot be forbidden"
        report.note("mapped" if params.parallel_tool_calls else "dropped", "parallel_tool_calls", why)


def _tool(function: Function, report: Report) -> Json:
    schema = function.parameters or {}
    required = _strings(schema.get("required"))
    properties = schema.get("properties")
    definitions = {
        name: _parameter(each if isinstance(each, dict) else {}, name in required, report)
        for name, each in (properties.items() if isinstance(properties, dict) else ())
    }
    return {
        "name": function.name,
        "description": function.description or function.name,
        "parameter_definitions": definitions,
    }


def _strings(value: Any) -> Iterable[str]:
    return value if isinstance(value, list) else ()


def _parameter(schema: Json, required: bool, report: Report) -> Json:
    """One parameter.  What its schema says beyond type and description is told in the description."""
    kind = schema.get("type")
    described = str(schema.get("description") or "")
    rest = {name: value for name, value in schema.items() if name not in ("type", "description", "title")}
    if rest or not isinstance(kind, str):
        report.note("emulated", "tools.parameters")
        told = schema if not isinstance(kind, str) else rest
        described = f"{described} JSON schema: {msgspec.json.encode(told).decode()}".strip()
    python = _PYTHON_TYPES.get(kind, "str") if isinstance(kind, str) else "str"
    return {"type": python, "description": described, "required": required}


def _add_format(request: ChatRequest, fields: Json, report: Report) -> None:
    wanted = request.params.response_format
    if wanted is None:
        return
    schema = wanted.json_schema.schema if wanted.json_schema is not None else None
    if wanted.type == "text":
        report.note("mapped", "response_format")
    elif "tools" in fields or "documents" in request.fields or "connectors" in request.fields:
        # Refused beside either, as in version 2.
        fields["preamble"] = "\n\n".join([*([fields["preamble"]] if "preamble" in fields else ()), instruction(schema)])
        report.note("emulated", "response_format")
    else:
        fields["response_format"] = {"type": "json_object"} | ({} if schema is None else {"schema": schema})
        report.note("passed" if schema is None else "mapped", "response_format")
