"""What a recorded Gemini request asks, in the shape of OpenAI's API: the translation backwards, written independently.

Only what both can say is read; a request with anything else is left out.
"""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

_TOP = {"contents", "systemInstruction", "generationConfig", "tools", "toolConfig"}
_CONFIG = {
    "maxOutputTokens": "max_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "seed": "seed",
    "stopSequences": "stop",
}
_FORMAT = ("responseMimeType", "responseJsonSchema", "responseSchema")
_MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none"}


class _Unlike(Exception):
    """The request says something that OpenAI's shape has no word for, or that needs another spelling."""


def as_chat(body: Json) -> Json | None:
    """The chat request, or None."""
    try:
        return _chat(body)
    except _Unlike:
        return None


def _only(value: Json, known: set[str]) -> None:
    if not isinstance(value, dict) or value.keys() - known:
        raise _Unlike


def _chat(body: Json) -> Json:
    _only(body, _TOP)
    messages: list[Json] = []
    if "systemInstruction" in body:
        parts = body["systemInstruction"]["parts"]
        if not isinstance(parts, list):
            raise _Unlike
        messages += [{"role": "system", "content": part["text"]} for part in parts]
    ids: list[str] = []
    for content in body["contents"]:
        messages += _turns(content, ids)
    chat: Json = {"messages": messages}
    config = body.get("generationConfig", {})
    _only(config, {*_CONFIG, "responseModalities", "thinkingConfig", *_FORMAT})
    chat |= {_CONFIG[name]: value for name, value in config.items() if name in _CONFIG}
    chat |= _format(config) | _thinking(config.get("thinkingConfig"))
    tools = _tools(body)
    if tools:
        chat["tools"] = tools
        calling = body.get("toolConfig", {}).get("functionCallingConfig")
        if calling is not None:
            _only(calling, {"mode"})
            if calling["mode"] not in _MODES:
                raise _Unlike
            chat["tool_choice"] = _MODES[calling["mode"]]
    return chat


def _format(config: Json) -> Json:
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    if schema is not None:
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}
    return {"response_format": {"type": "json_object"}} if "responseMimeType" in config else {}


def _thinking(config: Json | None) -> Json:
    if config is None:
        return {}
    _only(config, {"includeThoughts", "include_thoughts", "thinkingBudget", "thinking_budget"})
    if not config.get("includeThoughts", config.get("include_thoughts")):
        raise _Unlike
    budget = config.get("thinkingBudget", config.get("thinking_budget"))
    return {"thinking": {"type": "enabled"} | ({} if budget is None else {"budget_tokens": budget})}


def _tools(body: Json) -> list[Json]:
    tools: list[Json] = []
    for tool in body.get("tools", ()):
        _only(tool, {"functionDeclarations"})
        for function in tool["functionDeclarations"]:
            spelled = {"parameters_json_schema": "parametersJsonSchema"}
            function = {spelled.get(name, name): value for name, value in function.items()}
            _only(function, {"name", "description", "parametersJsonSchema", "parameters"})
            made: Json = {"name": function["name"], "description": function.get("description", "")}
            # The older dialect of schemas is a subset that writes types in capitals: any schema does for the test.
            parameters = function.get("parametersJsonSchema") or function.get("parameters")
            tools.append({"type": "function", "function": made | ({"parameters": parameters} if parameters else {})})
    return tools


def _turns(content: Json, ids: list[str]) -> list[Json]:
    role = {"model": "assistant", "user": "user"}[content.get("role", "user")]
    turns: list[Json] = []
    plain: list[Json] = []
    calls: list[Json] = []
    for part in content["parts"]:
        if "functionResponse" in part:
            _only(part["functionResponse"], {"name", "response", "id"})
            if not ids or plain:
                raise _Unlike
            said = part["functionResponse"]["response"]
            text = said["output"] if said.keys() == {"output"} and isinstance(said["output"], str) else json.dumps(said)
            turns.append({"role": "tool", "tool_call_id": ids.pop(0), "content": text})
        elif "functionCall" in part:
            calls.append(_call(part, len(ids)))
            ids.append(calls[-1]["id"])
        else:
            plain.append(_plain(part))
    if plain or calls:
        turns.append({"role": role, "content": plain} | ({"tool_calls": calls} if calls else {}))
    return turns


def _call(part: Json, position: int) -> Json:
    _only(part, {"functionCall", "thoughtSignature"})
    call = part["functionCall"]
    call_id = call.get("id") or f"call_{position}"
    if "_sig_" in call_id:
        raise _Unlike
    if "thoughtSignature" in part:
        call_id += "_sig_" + part["thoughtSignature"].rstrip("=").replace("+", "-").replace("/", "_")
    arguments = json.dumps(call.get("args") or {})
    return {"id": call_id, "type": "function", "function": {"name": call["name"], "arguments": arguments}}


def _plain(part: Json) -> Json:
    if part.keys() == {"text"} and part["text"]:
        return {"type": "text", "text": part["text"]}
    for name in ("inlineData", "inline_data"):
        if part.keys() == {name}:
            kind = part[name].get("mimeType") or part[name]["mime_type"]
            return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{part[name]['data']}"}}
    raise _Unlike
