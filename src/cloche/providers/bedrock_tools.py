"""The functions that a model may call, as Bedrock's Converse takes them.

The API knows no choice `none`, and refuses a conversation that speaks of calls where no tools are given; some models
know no choice at all.  What cannot be demanded is asked for in the instructions.  Must not know sampling or answers.
"""

from __future__ import annotations

import msgspec

from cloche.domain.chat import ChatRequest, Function, NamedTool
from cloche.domain.translation import Report
from cloche.providers import anthropic_schema
from cloche.providers.bedrock_messages import Block, Conversation
from cloche.providers.bedrock_models import Traits

NO_CALLS = "Do not call any tool now: answer in words."
ANY_CALL = "Answer by calling at least one of your tools."
_ONE_CALL = "Answer by calling your tool "


def tool_config(request: ChatRequest, report: Report, model: Traits, talk: Conversation) -> Block:
    """The toolConfig; empty where none is due.  An instruction may be added to the conversation."""
    params = request.params
    if not params.tools or params.tool_choice == "none":
        return _without_calls(request, report, model, talk)
    made: Block = {"tools": _tools(request, report, model, talk)}
    own = all(tool.function is None for tool in params.tools)
    report.note("passed" if own else "mapped", "tools")
    choice = params.tool_choice
    if choice is None:
        return made
    report.note("mapped", "tool_choice")
    forced = _forced(choice, model)
    if forced:
        made["toolChoice"] = forced
    elif choice != "auto":
        # "auto" is what is done without being asked.
        _emulate(choice, report, talk)
    return made


def _forced(choice: object, model: Traits) -> Block:
    """The choice as this model takes it; empty where it does not."""
    if isinstance(choice, NamedTool):
        return {"tool": {"name": choice.function.name}} if "tool" in model.maker.forces else {}
    return {"any": {}} if choice == "required" and "any" in model.maker.forces else {}


def _emulate(choice: object, report: Report, talk: Conversation) -> None:
    instruction = f"{_ONE_CALL}{choice.function.name}." if isinstance(choice, NamedTool) else ANY_CALL
    talk.system.append({"text": instruction})
    report.note("emulated", "tool_choice")


def _without_calls(request: ChatRequest, report: Report, model: Traits, talk: Conversation) -> Block:
    """No tool may be called: none is given, unless the conversation speaks of some."""
    params = request.params
    for name in ("tools", "tool_choice"):
        if getattr(params, name) is not None:
            report.note("mapped", name)
    if not talk.speaks_of_tools:
        return {}
    talk.system.append({"text": NO_CALLS})
    if params.tools:
        report.note("emulated", "tool_choice")
        return {"tools": _tools(request, report, model, talk)}
    report.note("emulated", "tools")
    known = [_spec(name, {"type": "object"}) for name in talk.called or ("tool",)]
    return {"tools": known}


def _tools(request: ChatRequest, report: Report, model: Traits, talk: Conversation) -> list[Block]:
    """Functions in the API's shape; tools of the API's own, as `{"type": "systemTool", "systemTool": {…}}`."""
    raw = msgspec.json.decode(request.fields["tools"])
    found: list[Block] = []
    for index, (tool, given) in enumerate(zip(request.params.tools or (), raw, strict=True)):
        if tool.function is None or tool.type != "function":
            found.append({tool.type: given.get(tool.type) or {}})
        else:
            found.append(_function(tool.function, f"tools[{index}].function.parameters", report, model))
        inner = given.get("function") or {}
        found += talk.cache_point({"cache_control": given.get("cache_control", inner.get("cache_control"))}, "tools")
    return found


def _function(function: Function, path: str, report: Report, model: Traits) -> Block:
    schema = {"type": "object", **(function.parameters or {"properties": {}})}
    bound = None
    if function.strict and model.schemas:
        bound = anthropic_schema.bound(schema, path) if model.claude else schema
    if function.strict and bound is None:
        report.note("dropped", "tools.strict", "this model cannot be bound to that schema")
    spec = _spec(function.name, bound or schema)
    if function.description and function.description.strip():
        spec["toolSpec"]["description"] = function.description
    if bound is not None:
        spec["toolSpec"]["strict"] = True
    return spec


def _spec(name: str, schema: Block) -> Block:
    return {"toolSpec": {"name": name, "inputSchema": {"json": schema}}}
