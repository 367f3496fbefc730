"""The embedded llama.cpp engine: canonical requests into its dialect, its event stream into Chunks.

The engine takes much that it does not understand without a word (tools, wrong types, fields it does not know), so
whatever this model cannot do is refused here, before it is asked.  One call is one choice; it is always a stream.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec
from msgspec import Struct

from cloche.codec import sse
from cloche.domain.chat import (
    ChatParams,
    ChatRequest,
    Chunk,
    FinishReason,
    Function,
    NamedTool,
    ToolCallDelta,
    Usage,
)
from cloche.domain.errors import BadRequest, Problem, ProviderBroken
from cloche.domain.outbound import HttpCall, Origin
from cloche.providers import tool_text
from cloche.providers.base import Decoder, refusal, render_head
from cloche.providers.schema_limits import check_schema

_encode = msgspec.json.Encoder().encode

_KNOWN_FIELDS = frozenset(ChatParams.__struct_fields__)
MAX_CHOICES = 5
MAX_TOOLS = 32
MAX_TOKEN_LENGTH = 32
"""Characters.  No vocabulary has tokens that are so long on average; the engine must not spend minutes on counting the
tokens of what cannot fit."""

_SAMPLING = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "stop")

Forced = Literal["no", "named", "calls", "tags"]
"""How tools are asked for: not at all; the answer is the arguments of one function; it is a list of calls by schema; it
may hold calls in tags."""


class EngineAddress(Struct, frozen=True):
    """Where an engine listens, the key it wants, and the model's name."""

    origin: Origin
    api_key: str
    model: str


class LocalTranslator:
    """A model on one engine.  `context_length`: tokens for prompt and answer together; `max_tokens_default` bounds
    answers whose request sets no bound of its own."""

    def __init__(self, address: EngineAddress, *, context_length: int, max_tokens_default: int) -> None:
        self.model = address.model
        self._origin = address.origin
        headers = {"authorization": f"Bearer {address.api_key}", "connection": "close"}
        self._head = render_head(address.origin, "/v1/chat/completions", headers)
        self._context_length = context_length
        self._max_tokens_default = max_tokens_default

    def encode(self, request: ChatRequest, choice: int) -> HttpCall:
        """The engine's request for one choice.  BadRequest for what the model or the engine cannot do."""
        params = request.params
        check(request)
        body: dict[str, Any] = {
            "messages": self._turns(params),
            "max_tokens": request.max_tokens or self._max_tokens_default,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        for name in _SAMPLING:
            value = getattr(params, name)
            if value is not None:
                body[name] = value
        if params.seed is not None:
            body["seed"] = (params.seed + choice) % (1 << 32)  # same seed, same answers, yet n different ones
        if params.logit_bias:
            body["logit_bias"] = [[int(token), bias] for token, bias in params.logit_bias.items()]
        if params.logprobs:
            # Asked for no alternatives, the engine gives no probabilities at all; the decoder takes the one away.
            body |= {"logprobs": True, "top_logprobs": params.top_logprobs or 1}
        response_format = _response_format(params)
        if response_format is not None:
            body["response_format"] = response_format
        return HttpCall(self._origin, self._head, (_encode(body),))

    def _turns(self, params: ChatParams) -> list[dict[str, str]]:
        """The conversation for the engine.  BadRequest if it cannot fit, whatever its tokens are."""
        if len(params.messages) > self._context_length:
            raise self._too_long(f"{len(params.messages)} messages")
        turns = tool_text.render(params.messages, offered_tools(params))
        characters = sum(len(turn["content"]) for turn in turns)
        if characters > self._context_length * MAX_TOKEN_LENGTH:
            raise self._too_long(f"{characters} characters, with the tools that are offered,")
        return turns

    def _too_long(self, what: str) -> BadRequest:
        return BadRequest(f"messages: {what} cannot fit in {self._context_length} tokens")

    def decoder(self, request: ChatRequest, choice: int) -> Decoder:
        """The reader of one choice's answer."""
        params = request.params
        return LocalDecoder(choice, params)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """The engine's refusal."""
        try:
            error = msgspec.json.decode(body, type=_EngineError).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            return refusal("the engine", status, headers, body)
        if error.type == "exceed_context_size_error":
            return BadRequest(
                f"messages: the prompt has {error.n_prompt_tokens} tokens, but this model takes at most {error.n_ctx} "
                "for prompt and answer together"
            )
        if status == 400:
            return BadRequest(f"the engine cannot do this: {error.message}", summary="the engine cannot do this")
        summary = f"the engine answered {status}"
        return ProviderBroken(f"{summary}: {error.message}", summary=summary)


class _ErrorDetail(Struct):
    message: str = ""
    type: str = ""
    n_prompt_tokens: int = 0
    n_ctx: int = 0


class _EngineError(Struct):
    error: _ErrorDetail


# ---------------------------------------------------------------- what is asked


def check(request: ChatRequest) -> None:
    """BadRequest for everything in a request that this engine would ignore or stumble over."""
    params = request.params
    unknown = request.fields.keys() - _KNOWN_FIELDS
    if unknown:
        raise BadRequest(f'Bad request: json: unknown field "{min(unknown)}"')
    _check_text_only(params)
    if len(params.tools or ()) > MAX_TOOLS:
        raise BadRequest(f"tools: {len(params.tools or ())} are given, but this model takes at most {MAX_TOOLS}")
    for index, tool in enumerate(params.tools or ()):
        if tool.type != "function":
            raise BadRequest(f"tools[{index}].type: this model takes functions only, not '{tool.type}'")
        if tool.function is not None and tool.function.parameters:
            check_schema(tool.function.parameters, f"tools[{index}].function.parameters")
    if params.response_format is not None and params.response_format.json_schema is not None:
        check_schema(params.response_format.json_schema.schema, "response_format.json_schema.schema")
    if (params.n or 1) > MAX_CHOICES:
        raise BadRequest(f"n: this model gives at most {MAX_CHOICES} choices")
    if params.reasoning_effort not in (None, "none"):
        raise BadRequest("reasoning_effort: this model does not reason")
    if params.thinking is not None and params.thinking.get("type") != "disabled":
        raise BadRequest("thinking: this model does not reason")
    if params.service_tier not in (None, "auto", "default"):
        raise BadRequest(f"service_tier: this model has no tier '{params.service_tier}'")
    for token in params.logit_bias or ():
        if not (token.isascii() and token.isdigit() and len(token) < 10):
            raise BadRequest(f"logit_bias.{token}: the key must be a token id")
    if forced(params) != "no":
        if params.logprobs:
            raise BadRequest("logprobs: cannot be given with tools by this model")
        if params.response_format is not None and params.response_format.type != "text":
            raise BadRequest("response_format: cannot be combined with tools by this model")


def _check_text_only(params: ChatParams) -> None:
    for index, message in enumerate(params.messages):
        for position, part in enumerate(message.content if isinstance(message.content, list) else ()):
            if part.type != "text":
                where = f"messages[{index}].content[{position}].type"
                raise BadRequest(f"{where}: this model reads text only, not '{part.type}'")


def offered_tools(params: ChatParams) -> list[Function]:
    """The tools that the model is told of: none if it may call none, one if it must call that one."""
    choice = params.tool_choice
    if choice == "none":
        return []
    tools = [tool.function for tool in params.tools or () if tool.function is not None]
    if isinstance(choice, NamedTool):
        return [tool for tool in tools if tool.name == choice.function.name]
    return tools


def forced(params: ChatParams) -> Forced:
    """How this request has its tools called."""
    tools = offered_tools(params)
    if not tools:
        return "no"
    if isinstance(params.tool_choice, NamedTool):
        return "named"
    if params.tool_choice == "required":
        # OpenAI's API allows several calls unless told otherwise; of an only function a small model makes no end.
        return "named" if len(tools) == 1 and not params.parallel_tool_calls else "calls"
    return "tags"


def _most_calls(params: ChatParams) -> int:
    """How many calls one answer may hold."""
    return 1 if params.parallel_tool_calls is False else tool_text.MAX_CALLS


def _response_format(params: ChatParams) -> dict[str, Any] | None:
    mode = forced(params)
    if mode == "named":
        return _by_schema(tool_text.arguments_schema(offered_tools(params)[0]))
    if mode == "calls":
        return _by_schema(tool_text.calls_schema(offered_tools(params), at_most=_most_calls(params)))
    wanted = params.response_format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.json_schema is None:
        return {"type": "json_object"}
    return _by_schema(wanted.json_schema.schema)


def _by_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


# ---------------------------------------------------------------- what is answered

_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}


class _Delta(Struct):
    content: str | None = None


class _Logprobs(Struct):
    content: list[dict[str, Any]] | None = None


class _Choice(Struct):
    delta: _Delta
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _PromptDetails(Struct):
    cached_tokens: int = 0


class _Usage(Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _PromptDetails | None = None


class _Event(Struct):
    id: str = ""
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: _ErrorDetail | None = None


_read_event = msgspec.json.Decoder(_Event).decode


class LocalDecoder:
    """Reads the engine's stream of one choice."""

    __slots__ = (
        "_buffered",
        "_calls",
        "_choice",
        "_events",
        "_finish",
        "_id",
        "_mode",
        "_scanner",
        "_tools",
        "_top_logprobs",
        "_usage",
    )

    def __init__(self, choice: int, params: ChatParams) -> None:
        tools = offered_tools(params)
        self._choice = choice
        self._mode = forced(params)
        self._tools = tools
        self._top_logprobs = params.top_logprobs or 0
        self._events = sse.Decoder()
        self._scanner = tool_text.TagScanner({tool.name for tool in tools}, at_most=_most_calls(params))
        self._buffered: list[str] = []
        self._calls = 0
        self._id = ""
        self._finish: FinishReason | None = None
        self._usage: Usage | None = None

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes.  ProviderBroken if the engine says that it failed."""
        chunks: list[Chunk] = []
        for payload in self._events.feed(data):
            if payload != sse.DONE:
                self._take(payload, chunks)
        return chunks

    def close(self) -> list[Chunk]:
        """What was held back, then the finish reason with the usage."""
        if self._finish is None:
            raise ProviderBroken("the model's answer was cut off")
        chunks: list[Chunk] = []
        if self._mode == "tags":
            self._pass_on(self._scanner.close(), chunks)
        elif self._mode == "calls":
            names = {tool.name for tool in self._tools}
            self._pass_on(list(tool_text.read_calls("".join(self._buffered), names)), chunks)
        finish = "tool_calls" if self._calls and self._finish == "stop" else self._finish
        chunks.append(Chunk(index=self._choice, finish_reason=finish, usage=self._usage))
        return chunks

    def _take(self, payload: bytes, chunks: list[Chunk]) -> None:
        try:
            event = _read_event(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ProviderBroken("the engine sent an event that cannot be read") from None
        if event.error is not None:
            raise ProviderBroken(f"the engine failed: {event.error.message}", summary="the engine failed")
        self._id = self._id or event.id
        if event.usage is not None:
            details = event.usage.prompt_tokens_details
            self._usage = Usage(
                prompt_tokens=event.usage.prompt_tokens,
                completion_tokens=event.usage.completion_tokens,
                cached_tokens=details.cached_tokens if details is not None else None,
            )
        for choice in event.choices:
            if choice.delta.content:
                self._text(choice.delta.content, _token_records(choice.logprobs, self._top_logprobs), chunks)
            if choice.finish_reason is not None:
                self._finish = _finish(choice.finish_reason)

    def _text(self, text: str, logprobs: tuple[dict[str, Any], ...] | None, chunks: list[Chunk]) -> None:
        if self._mode == "no":
            chunks.append(Chunk(index=self._choice, content=text, logprobs=logprobs))
        elif self._mode == "named":
            if self._calls == 0:
                self._pass_on([(self._tools[0].name, text)], chunks)
            else:
                delta = ToolCallDelta(index=0, arguments=text)
                chunks.append(Chunk(index=self._choice, tool_calls=(delta,)))
        elif self._mode == "calls":
            self._buffered.append(text)
        else:
            self._pass_on(self._scanner.feed(text), chunks)

    def _pass_on(self, pieces: list[str | tool_text.Call] | list[tool_text.Call], chunks: list[Chunk]) -> None:
        for piece in pieces:
            if isinstance(piece, str):
                chunks.append(Chunk(index=self._choice, content=piece))
                continue
            name, arguments = piece
            # An id that no other call has, without dice: the engine's own id of this answer is random.
            seed = f"{self._id}:{self._choice}:{self._calls}".encode()
            call_id = "call_" + hashlib.blake2b(seed, digest_size=12).hexdigest()
            delta = ToolCallDelta(index=self._calls, id=call_id, name=name, arguments=arguments)
            chunks.append(Chunk(index=self._choice, tool_calls=(delta,)))
            self._calls += 1


def _finish(reason: str) -> FinishReason:
    """The API's word for the engine's reason to end."""
    if reason not in _FINISH:
        raise ProviderBroken(f"the engine ended its answer for an unknown reason, '{reason[:40]}'")
    return _FINISH[reason]


def _token_records(logprobs: _Logprobs | None, top: int) -> tuple[dict[str, Any], ...] | None:
    """OpenAI's token records with `top` alternatives each; the engine adds an `id` to each, and 20 where none were
    asked for."""
    if logprobs is None or logprobs.content is None:
        return None
    return tuple(
        _without_id(record) | {"top_logprobs": [_without_id(other) for other in record.get("top_logprobs", ())[:top]]}
        for record in logprobs.content
    )


def _without_id(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "id"}
