"""The spans of a call that was traced: one of the server for the call, one of a client for each time a target was
asked.  Names and values are those of OpenTelemetry's conventions for generative AI, as of semconv 1.41; what is
cloche's own begins with `cloche.`.

Prompts and answers are in no span unless that is wanted, and callers are in none.  Must not know where spans go.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import msgspec

from cloche.domain.chat import ChatRequest, Message, Part
from cloche.domain.completion import CompletionRequest
from cloche.domain.endpoint import CHAT_TASK, COMPLETIONS_TASK, EMBEDDINGS_TASK, Endpoint
from cloche.domain.trace import Span, Value
from cloche.gateway.asking import Request
from cloche.gateway.call import Call
from cloche.gateway.tracing import Attempt, Trace
from cloche.wire.assembled import assembled

_OPERATIONS = MappingProxyType({CHAT_TASK: "chat", COMPLETIONS_TASK: "text_completion", EMBEDDINGS_TASK: "embeddings"})
_PROVIDERS = MappingProxyType(
    {
        "amazon-bedrock": "aws.bedrock",
        "google-cloud-vertex-ai": "gcp.vertex_ai",
        "gemini": "gcp.gemini",
        "mistral": "mistral_ai",
        "xai": "x_ai",
    }
)
"""Providers that the conventions know by another name."""

_NUMBERS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def spans_of(call: Call, trace: Trace, endpoint: Endpoint | None, *, content: bool) -> list[Span]:
    """The spans of a call that has ended, its own first.  `content`: with prompts and answers.  10 µs, and what the
    answer takes to be read."""
    answer = _answer(call, trace)
    operation = _OPERATIONS[call.task]
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": operation,
        "http.request.method": "POST",
        "url.path": call.path,
        "http.response.status_code": call.status,
        "cloche.request_id": call.id,
        "cloche.outcome": call.outcome,
    }
    if call.endpoint is not None:
        attributes["gen_ai.request.model"] = attributes["cloche.endpoint"] = call.endpoint
    if call.cache:
        attributes["cloche.cache"] = call.cache
    if call.coalesced:
        attributes["cloche.coalesced"] = True
    if call.replayed:
        attributes["cloche.replayed"] = True
    if call.problem is not None:
        attributes["error.type"] = call.problem.code
    if content:
        if trace.attempts:
            attributes |= _input(trace.attempts[-1].request)
        attributes |= _output(answer)
    failed = call.status >= 500 and call.problem is not None
    own = Span(
        trace.trace_id,
        trace.span_id,
        trace.parent,
        f"{operation} {call.endpoint}" if call.endpoint is not None else operation,
        "server",
        _at(call, call.started),
        _at(call, trace.ended),
        attributes,
        call.problem.code if failed and call.problem is not None else None,
        trace.state,
    )
    heard = next((each for each in reversed(trace.attempts) if each.error is None), None)
    return [
        own,
        *(_attempt(call, trace, each, endpoint, answer if each is heard else {}) for each in tuple(trace.attempts)),
    ]


def _attempt(call: Call, trace: Trace, attempt: Attempt, endpoint: Endpoint | None, answer: dict[str, Any]) -> Span:
    operation, target = _OPERATIONS[call.task], attempt.target
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": _provider(endpoint, target.entity),
        "gen_ai.request.model": target.model,
        "cloche.served_entity": target.entity,
        **_asked(call, attempt.request),
    }
    origin, usage = attempt.origin, attempt.usage
    if origin is not None and origin.unix_path is None:
        attributes |= {"server.address": origin.host, "server.port": origin.port}
    if usage is not None:
        attributes |= {"gen_ai.usage.input_tokens": usage.prompt_tokens}
        if call.task != EMBEDDINGS_TASK:
            attributes["gen_ai.usage.output_tokens"] = usage.completion_tokens
        for name, count in (
            ("cache_read.input_tokens", usage.cached_tokens),
            ("cache_creation.input_tokens", usage.cache_write_tokens),
            ("reasoning.output_tokens", usage.reasoning_tokens),
        ):
            if count is not None:
                attributes[f"gen_ai.usage.{name}"] = count
    if call.stream and attempt.first_byte_at is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = max(0.0, attempt.first_byte_at - attempt.began)
    if attempt.error is not None:
        attributes["error.type"] = attempt.error
    return Span(
        trace.trace_id,
        attempt.span_id,
        trace.span_id,
        f"{operation} {target.model}",
        "client",
        _at(call, attempt.began),
        _at(call, attempt.ended or trace.ended),
        attributes | _told(answer),
        attempt.error,
        trace.state,
    )


def _at(call: Call, moment: float) -> int:
    """Of `perf_counter`, in Unix nanoseconds."""
    return int((call.arrived + (moment - call.started)) * 1e9)


def _provider(endpoint: Endpoint | None, entity: str) -> str:
    active = None if endpoint is None else endpoint.active
    for each in () if active is None else active.configuration.entities:
        if each.name == entity and each.external_model is not None:
            return _PROVIDERS.get(each.external_model.provider, each.external_model.provider)
    return "cloche"


def _asked(call: Call, request: Request) -> dict[str, Value]:
    """What was asked for, besides what was said."""
    found: dict[str, Value] = {}
    if call.stream:
        found["gen_ai.request.stream"] = True
    if not isinstance(request, ChatRequest | CompletionRequest):
        return found
    params = request.params
    for name in _NUMBERS:
        value = getattr(params, name)
        if value is not None:
            found[f"gen_ai.request.{name}"] = float(value)
    bound = request.max_tokens if isinstance(request, ChatRequest) else request.params.max_tokens
    if bound is not None:
        found["gen_ai.request.max_tokens"] = bound
    if params.seed is not None and abs(params.seed) < 1 << 63:
        found["gen_ai.request.seed"] = params.seed
    if params.n is not None and params.n != 1:
        found["gen_ai.request.choice.count"] = params.n
    return found


# ---------------------------------------------------------------- of the answer


def _answer(call: Call, trace: Trace) -> dict[str, Any]:
    """The answer as JSON, a stream put together; empty if there was none, or it was too long to be kept."""
    kept = trace.answer
    if kept is None or call.status != 200 or not kept.content or call.task == EMBEDDINGS_TASK:
        return {}
    try:
        answer = _decode(assembled([kept.content]) if kept.streamed else kept.content)
    except msgspec.DecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _choices(answer: dict[str, Any]) -> list[dict[str, Any]]:
    choices = answer.get("choices")
    return [each for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []


def _told(answer: dict[str, Any]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name in ("id", "model"):
        if isinstance(answer.get(name), str):
            found[f"gen_ai.response.{name}"] = answer[name]
    reasons = [each["finish_reason"] for each in _choices(answer) if isinstance(each.get("finish_reason"), str)]
    if reasons:
        found["gen_ai.response.finish_reasons"] = reasons
    return found


def _output(answer: dict[str, Any]) -> dict[str, Value]:
    messages = []
    for choice in _choices(answer):
        given = choice.get("message")
        message = given if isinstance(given, dict) else {"content": choice.get("text")}
        parts: list[dict[str, Any]] = []
        content = message.get("content")
        if isinstance(content, str) and content:
            parts.append({"type": "text", "content": content})
        elif isinstance(content, list):
            parts += [{"type": "text", "content": each.get("text")} for each in content if isinstance(each, dict)]
        for tool in message.get("tool_calls") or ():
            function = tool.get("function") or {}
            parts.append(_tool_call(tool.get("id"), function.get("name"), function.get("arguments")))
        messages.append({"role": "assistant", "parts": parts, "finish_reason": choice.get("finish_reason")})
    return {"gen_ai.output.messages": _encode(messages).decode()} if messages else {}


# ---------------------------------------------------------------- of what was said


def _input(request: Request) -> dict[str, Value]:
    if isinstance(request, ChatRequest):
        messages = [_message(each) for each in request.params.messages]
    elif isinstance(request, CompletionRequest):
        messages = [{"role": "user", "parts": [{"type": "text", "content": request.params.prompt}]}]
    else:
        return {}
    return {"gen_ai.input.messages": _encode(messages).decode()}


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        said = {"type": "tool_call_response", "id": message.tool_call_id, "response": message.text()}
        return {"role": "tool", "parts": [said]}
    content = message.content
    parts = [{"type": "text", "content": content}] if isinstance(content, str) else list(map(_part, content or ()))
    for each in message.tool_calls or ():
        parts.append(_tool_call(each.id, each.function.name, each.function.arguments))
    return {"role": message.role, "parts": parts}


def _part(part: Part) -> dict[str, Any]:
    """Of what is no text only that it was there: pictures are large."""
    return {"type": "text", "content": part.text} if part.text is not None else {"type": part.type}


def _tool_call(call_id: object, name: object, arguments: object) -> dict[str, Any]:
    try:
        read = _decode(arguments) if isinstance(arguments, str) else arguments
    except msgspec.DecodeError:
        read = arguments
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": read}
