"""The canonical chat form: what every client's request becomes and every provider's answer is turned into.

Shapes follow the chat-completions vocabulary, because that is what the clients of this field speak.  The request
types are decoded straight from JSON (docs/decisions/0004): their annotations are the type and range checks of the API.
`ChatRequest.fields` keeps every top-level field in the client's own bytes, so that what cloche does not model is
passed on and never lost.  This module must not know providers, HTTP or JSON text.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

PositiveInt = Annotated[int, Meta(gt=0, lt=2**31)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
NonEmpty = Annotated[str, Meta(min_length=1)]


# ---------------------------------------------------------------- content parts


class ImageUrl(Struct):
    """`url` is https or a base64 data URL."""

    url: NonEmpty
    detail: str | None = None


class Part(Struct):
    """One piece of a message's content, told apart by `type`.

    Providers have kinds of their own and add more, so a kind that is not modelled is no fault here: it is passed on,
    and a provider that cannot take it says so.  Of the kinds that are modelled, `missing` names the field that must be
    there and is not.
    """

    type: NonEmpty
    text: str | None = None
    image_url: ImageUrl | NonEmpty | None = None
    input_audio: dict[str, Any] | None = None
    file: dict[str, Any] | None = None
    source: dict[str, Any] | None = None
    refusal: str | None = None
    summary: list[dict[str, Any]] | None = None

    @property
    def missing(self) -> str | None:
        """The name of the field that this kind of part must have and this one has not."""
        field = _FIELD_OF_KIND.get(self.type)
        return field if field is not None and getattr(self, field) is None else None


_FIELD_OF_KIND = MappingProxyType(
    {
        "text": "text",
        "image_url": "image_url",
        "input_audio": "input_audio",
        "file": "file",
        "document": "source",
        "refusal": "refusal",
    }
)


# ---------------------------------------------------------------- tools


class FunctionCall(Struct):
    """`arguments` is JSON text, as the model wrote it."""

    name: NonEmpty
    arguments: str


class ToolCall(Struct):
    """A call that an assistant made."""

    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class Function(Struct):
    """`parameters` is a JSON schema of an object."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}\Z")]
    parameters: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class Tool(Struct):
    """A function the model may call, or a tool of the provider's own: then `type` names it and `function` is None."""

    function: Function | None = None
    type: NonEmpty = "function"


class NamedFunction(Struct):
    """The function that a tool choice demands."""

    name: NonEmpty


class NamedTool(Struct):
    """`{"type": "function", "function": {"name": …}}`."""

    function: NamedFunction
    type: Literal["function"] = "function"


# ---------------------------------------------------------------- the request


class Message(Struct):
    """One turn.  `content` may be absent only for an assistant that calls tools, or refuses."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None

    def text(self) -> str:
        """The text of the message, its text parts joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text or "" for part in self.content or ())


class JsonSchema(Struct):
    """A named JSON schema that the answer must fit."""

    name: NonEmpty
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(Struct):
    """`json_schema` is set where the type is json_schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Struct):
    """`include_usage`: send usage in a chunk of its own, after the finish chunk."""

    include_usage: bool = False


class ChatParams(Struct):
    """The fields of a chat request that cloche understands; null means not given."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    model: str | None = None
    max_tokens: PositiveInt | None = None
    max_completion_tokens: PositiveInt | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: PositiveInt | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    stop: NonEmpty | list[NonEmpty] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: Annotated[list[Tool], Meta(max_length=128)] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    seed: int | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    thinking: dict[str, Any] | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    client_request_id: str | None = None
    usage_context: dict[str, str] | None = None
    extra_params: dict[str, Raw] | None = None
    enable_safety_filter: bool | None = None


class ChatRequest:
    """A chat request: `params`, checked and typed, and `fields`, all top-level fields as the client wrote them."""

    __slots__ = ("fields", "params")

    def __init__(self, params: ChatParams, fields: Mapping[str, Raw]) -> None:
        self.params = params
        self.fields = fields

    @property
    def max_tokens(self) -> int | None:
        """The bound on the answer's length in tokens, by either of its names."""
        return self.params.max_tokens or self.params.max_completion_tokens

    @property
    def stop(self) -> list[str]:
        """The stop texts as a list."""
        stop = self.params.stop
        return [stop] if isinstance(stop, str) else list(stop or ())


# ---------------------------------------------------------------- the answer

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


MOST_TOKENS = 2**31
"""Of one call: what is counted as more was not counted."""


class Usage(Struct, frozen=True):
    """Tokens as the provider counted them.  Never estimated here.

    `cached_tokens`: of the prompt, read from a cache; `cache_write_tokens`: of the prompt, written into one.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_tokens: int | None = None

    @property
    def is_sound(self) -> bool:
        """Whether these can be numbers of tokens.  0.2 µs."""
        cached, written = self.cached_tokens or 0, self.cache_write_tokens or 0
        fewest, most = min(self.prompt_tokens, self.completion_tokens, cached, written), self.total_tokens
        return fewest >= 0 and most <= MOST_TOKENS

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


NOTHING_USED: Final = Usage(0, 0)
"""By a call for which nobody was asked."""


class ToolCallDelta(Struct, frozen=True):
    """A piece of a tool call.  `id` and `name` come once, in the first piece; `arguments` concatenate."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class ReasoningDelta(Struct, frozen=True):
    """A piece of the model's reasoning.  `index` tells blocks apart; texts of one block concatenate.

    `signature` comes once for a block, at its end, and must be sent back unchanged; of a block that the provider
    keeps secret it is all there is, and `redacted` is true.
    """

    index: int
    text: str = ""
    signature: str | None = None
    redacted: bool = False


class Citation(Struct, frozen=True):
    """What a stretch of an answer rests on.  `start` and `end` count characters of all the choice's text together; they
    are None where that is not known, or where something else than text is meant.

    `url` is None for a source that is not on the web, as a document that the caller gave.  `details`: what else the
    provider says of it, in its own words.
    """

    start: int | None
    end: int | None
    url: str | None = None
    title: str | None = None
    details: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Chunk(Struct, frozen=True):
    """A piece of one choice.  `finish_reason` ends the choice; `usage` counts all choices of the request.

    `logprobs` is the list of OpenAI token records that belong to `content`.  `refusal`: the model's words of refusal.
    `citations` speak of text that has come before them.  `extras`: whole pieces of the answer that are neither text nor
    reasoning nor calls of the caller's functions, as searches that the provider ran itself, in its own words.
    """

    index: int = 0
    content: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    logprobs: tuple[dict[str, Any], ...] | None = None
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    reasoning: tuple[ReasoningDelta, ...] = ()
    refusal: str = ""
    citations: tuple[Citation, ...] = ()
    extras: tuple[Mapping[str, Any], ...] = ()


class Choice(Struct):
    """One finished answer.  `reasoning`: its blocks, each with all its text."""

    index: int
    content: str
    finish_reason: FinishReason
    tool_calls: list[ToolCall] = msgspec.field(default_factory=list)
    logprobs: list[dict[str, Any]] | None = None
    reasoning: list[ReasoningDelta] = msgspec.field(default_factory=list)
    refusal: str = ""
    citations: list[Citation] = msgspec.field(default_factory=list)
    extras: list[Mapping[str, Any]] = msgspec.field(default_factory=list)


class ChatResponse(Struct):
    """The whole answer.  `usage` is None where the provider gave none."""

    choices: list[Choice]
    usage: Usage | None
