"""Recorded requests to Bedrock's Converse, as a client would have asked the same in OpenAI's words."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

_RENAMED = {"maxTokens": "max_tokens", "temperature": "temperature", "topP": "top_p", "stopSequences": "stop"}
_TYPES = {"pdf": "application/pdf", "txt": "text/plain", "csv": "text/csv", "md": "text/markdown"}


def as_chat(request: Json) -> Json | None:
    """The request in OpenAI's words; None where these have none for it."""
    try:
        return _chat(request)
    except KeyError:
        return None


def _chat(request: Json) -> Json:
    messages: list[Json] = []
    if request.get("system"):
        messages.append({"role": "system", "content": _parts(request["system"])})
    for turn in request["messages"]:
        messages += _messages(turn)
    chat: Json = {"messages": messages}
    chat |= {_RENAMED[name]: value for name, value in request.get("inferenceConfig", {}).items()}
    tools = request.get("toolConfig", {})
    if tools:
        chat["tools"] = [_tool(each) for each in tools["tools"]]
        chat |= _choice(tools.get("toolChoice", {}))
    more = dict(request.get("additionalModelRequestFields", {}))
    if "inferenceConfig" in more:
        chat["top_k"] = more.pop("inferenceConfig")["topK"]
    if "outputConfig" in request:
        given = request["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
        schema = {**given, "schema": json.loads(given["schema"])}
        chat["response_format"] = {"type": "json_schema", "json_schema": schema}
    return chat | more | {name: request[name] for name in ("guardrailConfig",) if name in request}


def _choice(given: Json) -> Json:
    if "tool" in given:
        return {"tool_choice": {"type": "function", "function": given["tool"]}}
    return {"tool_choice": "required"} if "any" in given else {}


def _tool(given: Json) -> Json:
    if "toolSpec" not in given:
        [(kind, settings)] = given.items()
        return {"type": kind, kind: settings}
    spec = given["toolSpec"]
    schema = {"type": "object", **spec["inputSchema"]["json"]}
    function = {name: spec[name] for name in ("name", "description", "strict") if name in spec}
    return {"type": "function", "function": {**function, "parameters": schema}}


def _messages(turn: Json) -> list[Json]:
    """One turn is several messages: each result of a tool is one, calls stand beside the parts."""
    found: list[Json] = []
    rest = []
    for block in turn["content"]:
        if "toolResult" not in block:
            rest.append(block)
            continue
        result = block["toolResult"]
        content = _parts([each if "json" not in each else {"text": _text(each["json"])} for each in result["content"]])
        found.append({"role": "tool", "tool_call_id": result["toolUseId"], "content": content})
    calls = [_call(block["toolUse"]) for block in rest if "toolUse" in block]
    parts = _parts([block for block in rest if "toolUse" not in block])
    if parts or calls:
        found.append({"role": turn["role"], "content": parts} | ({"tool_calls": calls} if calls else {}))
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _call(use: Json) -> Json:
    if "type" in use:
        raise KeyError("the provider's own tool")
    function = {"name": use["name"], "arguments": json.dumps(use["input"])}
    return {"id": use["toolUseId"], "type": "function", "function": function}


def _parts(blocks: list[Json]) -> list[Json]:
    parts: list[Json] = []
    for block in blocks:
        if "cachePoint" in block:
            parts[-1]["cache_control"] = {"type": "ephemeral"}
        elif block.get("text", "x").strip():
            parts.append(_part(block))
    return parts


def _part(block: Json) -> Json:
    [(kind, value)] = block.items()
    if kind == "text":
        return {"type": "text", "text": value}
    if kind == "image":
        url = f"data:image/{value['format']};base64,{value['source']['bytes']}"
        return {"type": "image_url", "image_url": {"url": url}}
    if kind == "document":
        data = f"data:{_TYPES[value['format']]};base64,{value['source']['bytes']}"
        return {"type": "file", "file": {"filename": f"{value['name']}.{value['format']}", "file_data": data}}
    if kind == "reasoningContent":
        said = value["reasoningText"]
        return {"type": "reasoning", "summary": [{"type": "summary_text", **said}]}
    return {"type": kind, kind: value}
