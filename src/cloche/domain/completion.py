"""Text completions: a prompt in, text out.

The older form of a chat.  As with chat, the request is decoded straight from JSON, and `CompletionRequest.fields` keeps
every top-level field in the client's own bytes.  Must not know providers or HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Raw, Struct

from cloche.domain.chat import NonEmpty, Penalty, StreamOptions
from cloche.domain.errors import BadRequest


class CompletionParams(Struct):
    """The fields of a text completion that cloche understands; null means not given.

    `prompt`: a text, texts, a text's tokens, or several such; a text may be empty.  `max_tokens`: 0 to have the prompt
    itself rated, with `echo` and `logprobs`.
    """

    prompt: str | Annotated[list[str | list[int] | int], Meta(min_length=1)]
    model: str | None = None
    max_tokens: Annotated[int, Meta(ge=0, lt=2**31)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    stop: NonEmpty | list[NonEmpty] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    suffix: str | None = None
    echo: bool | None = None
    best_of: Annotated[int, Meta(ge=1, le=128)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    seed: int | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    user: str | None = None
    client_request_id: str | None = None
    usage_context: dict[str, str] | None = None
    extra_params: dict[str, Raw] | None = None


class CompletionRequest:
    """A text completion: `params`, checked and typed, and `fields`, all top-level fields as the client wrote them."""

    __slots__ = ("fields", "params")

    def __init__(self, params: CompletionParams, fields: Mapping[str, Raw]) -> None:
        self.params = params
        self.fields = fields

    @property
    def expected(self) -> int:
        """How many choices the answer will have: `n` for each prompt."""
        prompt = self.params.prompt
        prompts = 1 if isinstance(prompt, str) or isinstance(prompt[0], int) else len(prompt)
        return prompts * (self.params.n or 1)

    def text(self) -> str:
        """The prompt, where it is one text.  BadRequest for tokens, several texts and none."""
        prompt = self.params.prompt
        if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
            prompt = prompt[0]
        if not isinstance(prompt, str):
            raise BadRequest("prompt: this provider takes one text, not tokens and not several texts")
        if not prompt:
            raise BadRequest("prompt: this provider's models take chats only, which must not be empty")
        return prompt
