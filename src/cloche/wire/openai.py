"""Chat completions as clients send and receive them: JSON bytes to ChatRequest, ChatResponse and Chunk to JSON bytes.

Types and ranges are checked by decoding (domain/chat.py); this module checks what holds between fields.  Everything
that leaves here is the safe intersection that every tested client can read: no null ids, `finish_reason` also as
`finishReason` (the only spelling the Databricks SDK reads), usage on the chunk that finishes.  This module must not
know who answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import msgspec
from msgspec import Raw

from cloche.codec import json_text
from cloche.domain.chat import (
    ChatParams,
    ChatRequest,
    ChatResponse,
    Choice,
    Chunk,
    Citation,
    Message,
    NamedTool,
    ReasoningDelta,
    Usage,
)
from cloche.domain.errors import BadRequest

_decode_params = msgspec.json.Decoder(ChatParams).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode

_OF_CUSTOM_MODELS = frozenset(("inputs", "instances", "dataframe_split", "dataframe_records", "prompt", "input"))
_TEXT_FIELDS = frozenset(("model", "user", "reasoning_effort", "service_tier", "client_request_id", "stop"))

# ---------------------------------------------------------------- requests


def read_chat(body: bytes) -> ChatRequest:
    """A checked request.  BadRequest names the field that is wrong."""
    json_text.check_utf8(body)
    try:
        params = _decode_params(body)
        fields = _decode_fields(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        _explain(error, body)
    json_text.check_duplicate_keys(body, _plain_keys(params, fields))
    if params.extra_params:
        return read_chat(merge_extra_params(params.extra_params, fields))
    _check(params, fields)
    return ChatRequest(params, fields)


def _explain(error: Exception, body: bytes) -> NoReturn:
    """Raise the BadRequest; a body meant for a custom model gets told so rather than that `messages` is missing."""
    try:
        fields = _decode_fields(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        fields = {}
    if "messages" not in fields:
        _refuse_custom_model_fields(fields)
    json_text.raise_bad_request(error)


def _plain_keys(params: ChatParams, fields: dict[str, Raw]) -> int:
    """How many keys the body has if its messages are plain text and its other fields are no objects: never more than
    there are in a body that passes `_check`."""
    keys = len(fields)
    for message in params.messages:
        keys += 2
        if type(message.content) is list:
            keys += sum(1 if part.text is None else 2 for part in message.content)
    return keys


def merge_extra_params(extra: dict[str, Raw], fields: dict[str, Raw]) -> bytes:
    """The body with `extra_params` at top level.  The Databricks SDK declares them as a map of strings, so a string is
    read as JSON (`"0.5"`, `"true"`, `"[…]"`) unless the field is text or the string is no JSON."""
    merged: dict[str, Raw] = {name: value for name, value in fields.items() if name != "extra_params"}
    for name, value in extra.items():
        if name in merged or name == "extra_params":
            raise BadRequest(f"extra_params.{name}: the field is given at top level too")
        merged[name] = value if name in _TEXT_FIELDS else _unquoted(value)
    return _encode(merged)


def _unquoted(value: Raw) -> Raw:
    """The JSON that a JSON string holds; anything else as it is."""
    if not bytes(value).startswith(b'"'):
        return value
    text = Raw(msgspec.json.decode(value, type=str).encode())
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return value
    return text


def _check(params: ChatParams, fields: dict[str, Raw]) -> None:
    if not _OF_CUSTOM_MODELS.isdisjoint(fields):
        _refuse_custom_model_fields(fields)
    for index, message in enumerate(params.messages):
        if message.tool_calls or message.role == "tool" or type(message.content) is not str:
            _check_message(message, f"messages[{index}]")
    if params.top_logprobs is not None and not params.logprobs:
        raise BadRequest("top_logprobs: needs logprobs to be true")
    if params.response_format is not None:
        is_schema = params.response_format.type == "json_schema"
        if is_schema and params.response_format.json_schema is None:
            raise BadRequest("response_format.json_schema: this field is required when the type is json_schema")
    if params.tools is not None or params.tool_choice is not None:
        _check_tools(params)


def _refuse_custom_model_fields(fields: dict[str, Raw]) -> None:
    for name in fields:
        if name in _OF_CUSTOM_MODELS:
            raise BadRequest(
                f'Bad request: json: unknown field "{name}". A chat endpoint takes "messages": '
                '[{"role": "user", "content": "…"}]'
            )


def _check_message(message: Message, path: str) -> None:
    if message.tool_calls and message.role != "assistant":
        raise BadRequest(f"{path}.tool_calls: only an assistant message can call tools")
    if message.role == "tool" and not message.tool_call_id:
        raise BadRequest(f"{path}.tool_call_id: this field is required in a tool message")
    if not message.content and message.refusal:
        message.content = message.refusal  # as OpenAI answers, and its clients send back
    if message.content is None and not message.tool_calls:
        raise BadRequest(f"{path}.content: this field is required")
    for index, part in enumerate(message.content if isinstance(message.content, list) else ()):
        if part.missing is not None:
            raise BadRequest(f"{path}.content[{index}].{part.missing}: this field is required in a {part.type} part")


def _check_tools(params: ChatParams) -> None:
    names: set[str] = set()
    for index, tool in enumerate(params.tools or ()):
        if tool.type != "function":
            continue
        if tool.function is None:
            raise BadRequest(f"tools[{index}].function: this field is required")
        if tool.function.name in names:
            raise BadRequest(f"tools[{index}].function.name: '{tool.function.name}' is the name of another tool")
        names.add(tool.function.name)
    choice = params.tool_choice
    if isinstance(choice, NamedTool) and choice.function.name not in names:
        raise BadRequest(f"tool_choice.function.name: no tool is named '{choice.function.name}'")
    if choice in ("auto", "required") and not params.tools:
        raise BadRequest(f"tool_choice: '{choice}' needs tools")


# ---------------------------------------------------------------- answers


class Identity(msgspec.Struct, frozen=True):
    """What every piece of one answer repeats: `created` in epoch seconds."""

    id: str
    created: int
    model: str


def write_answer(response: ChatResponse, identity: Identity) -> bytes:
    """The body of a whole answer."""
    answer: dict[str, Any] = {
        "id": identity.id,
        "object": "chat.completion",
        "created": identity.created,
        "model": identity.model,
        "choices": [_choice(choice) for choice in response.choices],
    }
    if response.usage is not None:
        answer["usage"] = usage_fields(response.usage)
    return _encode(answer)


def _choice(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.content}
    if choice.reasoning:
        # As Databricks answers for models that reason: parts, the reasoning first.
        text = [{"type": "text", "text": choice.content}] if choice.content else []
        message["content"] = [*(_reasoning(each) for each in choice.reasoning), *text]
    if choice.refusal:
        message["refusal"] = choice.refusal
    if choice.tool_calls:
        message["content"] = message["content"] or None
        message["tool_calls"] = choice.tool_calls
    if choice.citations or choice.extras:
        message |= _besides(choice.citations, choice.extras)
    return {
        "index": choice.index,
        "message": message,
        "logprobs": None if choice.logprobs is None else {"content": choice.logprobs},
        "finish_reason": choice.finish_reason,
        "finishReason": choice.finish_reason,
    }


def _besides(citations: Iterable[Citation], extras: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What an answer has besides what OpenAI's own answers have: sources of the web are `annotations`, as OpenAI gives
    them; other sources `citations`; the provider's own pieces `provider_content`."""
    fields: dict[str, list[Any]] = {}
    for each in citations:
        place = {} if each.start is None else {"start_index": each.start, "end_index": each.end}
        if each.url is not None and place:
            cited = {**each.details, **place, "url": each.url, "title": each.title or ""}
            fields.setdefault("annotations", []).append({"type": "url_citation", "url_citation": cited})
        else:
            known = {name: told for name, told in (("url", each.url), ("title", each.title)) if told is not None}
            fields.setdefault("citations", []).append({**each.details, **known, **place})
    for extra in extras:
        fields.setdefault("provider_content", []).append(extra)
    return fields


def _reasoning(piece: ReasoningDelta) -> dict[str, Any]:
    summary: dict[str, Any] = {"type": "summary_text", "text": piece.text}
    if piece.redacted:
        summary = {"type": "summary_encrypted_text", "data": piece.signature}
    elif piece.signature is not None:
        summary["signature"] = piece.signature
    return {"type": "reasoning", "summary": [summary]}


def usage_fields(usage: Usage) -> dict[str, Any]:
    """Usage as OpenAI nests it and as Databricks flattens it; details only where the provider gave them."""
    fields: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
    if usage.cached_tokens is not None:
        fields["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.cache_write_tokens is not None:
        fields["cache_creation_input_tokens"] = usage.cache_write_tokens
        fields["cache_read_input_tokens"] = usage.cached_tokens or 0
    if usage.reasoning_tokens is not None:
        fields["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
        fields["reasoning_tokens"] = usage.reasoning_tokens
    return fields


def write_role(identity: Identity, index: int) -> bytes:
    """The first event payload of a choice: the only one that says who speaks."""
    return _event(identity, {"index": index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None})


def write_chunk(chunk: Chunk, identity: Identity) -> bytes:
    """One event payload.  Usage goes where the chunk has it: with the finish reason."""
    besides = _besides(chunk.citations, chunk.extras) if chunk.citations or chunk.extras else {}
    delta: dict[str, Any] = {**besides}
    if chunk.reasoning:
        text = [{"type": "text", "text": chunk.content}] if chunk.content else []
        delta["content"] = [*(_reasoning(each) for each in chunk.reasoning), *text]
    elif chunk.content or not (chunk.tool_calls or chunk.refusal or chunk.finish_reason or besides):
        delta["content"] = chunk.content
    if chunk.refusal:
        delta["refusal"] = chunk.refusal
    if chunk.tool_calls:
        delta["tool_calls"] = [_tool_delta(delta) for delta in chunk.tool_calls]
    choice: dict[str, Any] = {"index": chunk.index, "delta": delta, "finish_reason": chunk.finish_reason}
    if chunk.logprobs is not None:
        choice["logprobs"] = {"content": chunk.logprobs}
    if chunk.finish_reason is not None:
        choice["finishReason"] = chunk.finish_reason
    return _event(identity, choice, chunk.usage)


def _tool_delta(delta: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"index": delta.index}
    function = {"arguments": delta.arguments}
    if delta.id is not None:
        fields |= {"id": delta.id, "type": "function"}
        function = {"name": delta.name, "arguments": delta.arguments}
    return fields | {"function": function}


def write_usage(usage: Usage, identity: Identity) -> bytes:
    """The chunk without choices that only `stream_options.include_usage` asks for."""
    return _event(identity, None, usage)


def _event(identity: Identity, choice: dict[str, Any] | None, usage: Usage | None = None) -> bytes:
    event: dict[str, Any] = {
        "id": identity.id,
        "object": "chat.completion.chunk",
        "created": identity.created,
        "model": identity.model,
        "choices": [] if choice is None else [choice],
    }
    if usage is not None:
        event["usage"] = usage_fields(usage)
    return _encode(event)
