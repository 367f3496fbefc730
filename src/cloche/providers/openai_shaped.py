"""Whatever speaks OpenAI's dialect of chats, at whatever base URL.

Near identity: the client's own bytes go on, with the model's name put in, cloche's own fields taken out, and usage
asked for in every stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from cloche.domain.chat import ChatParams, ChatRequest, FinishReason
from cloche.domain.errors import Problem
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers.site import Site

_encode = msgspec.json.Encoder().encode

NOT_FORWARDED = frozenset(
    (
        "model",
        "stream",
        "stream_options",
        "client_request_id",
        "usage_context",
        "extra_params",
        "enable_safety_filter",
    )
)
"""Fields that are for cloche itself, or that it writes in its own way."""

_KEYS = {name: f',"{name}":'.encode() for name in ChatParams.__struct_fields__}
"""The known field names, ready to be written."""

STREAM_ENDING = b',"stream":true,"stream_options":{"include_usage":true}}'
"""The end of the body that asks for a stream, and for its usage."""

_STREAM_ONLY = b',"stream":true}'

SAME_FINISHES: Mapping[str, FinishReason | None] = MappingProxyType({})
"""The finish reasons of a service that has no words of its own for them."""


def write_body(opening: bytes, fields: Mapping[str, Raw], ending: bytes) -> bytes:
    """The client's fields in their own bytes, but for those that are cloche's, between an opening and an ending."""
    pieces: list[Any] = [opening]
    for name, value in fields.items():
        if name not in NOT_FORWARDED:
            pieces.append(_KEYS.get(name) or b"," + _encode(name) + b":")
            pieces.append(value)
    pieces.append(ending)
    return b"".join(pieces)


class OpenAIShaped:
    """A served entity behind any service that takes and gives chat completions.

    `asks_usage`: whether the service can be asked for usage in a stream; else it gives it unasked, or not at all.
    """

    __slots__ = ("_opening", "_site", "_stream_ending", "model")

    def __init__(self, model: str, site: Site, *, asks_usage: bool = True) -> None:
        self.model = model
        self._site = site
        self._opening = b'{"model":' + _encode(model)
        self._stream_ending = STREAM_ENDING if asks_usage else _STREAM_ONLY

    @property
    def differs(self) -> bool:
        """It does not: the dialect is the API's own."""
        return False

    @property
    def finishes(self) -> Mapping[str, FinishReason | None]:
        """The service's own finish reasons in the words of the API; None: the answer failed."""
        return SAME_FINISHES

    def encode(self, request: ChatRequest, *, stream: bool) -> HttpCall:
        """The client's fields in their own bytes: about 0.8 µs for a small request."""
        return self._site.call(write_body(self._opening, request.fields, self._stream_ending if stream else b"}"))

    def note(self, request: ChatRequest, report: Report) -> None:
        """Tell what becomes of the request's fields: all of them are passed on."""
        for name in request.fields:
            if name not in NOT_FORWARDED:
                report.note("passed", name)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """OpenAI-shaped errors, by the table in base.py."""
        return self._site.refusal(status, headers, body)
