"""Whether an answer has the format that was asked for, where the provider could not be bound to it but only told.

Works on canonical chunks, so that it is the same for every provider.  An answer that was cut off or withheld passes:
its finish reason says why it is not what it should be.  Must not know providers or the network.
"""

from __future__ import annotations

import msgspec

from cloche.codec.json_schema import Schema, UnusableSchema
from cloche.domain.chat import ChatRequest, ChatResponse, Chunk, FinishReason
from cloche.domain.errors import BadRequest, FormatMissed
from cloche.domain.translation import Report


def format_check(request: ChatRequest, report: Report) -> FormatCheck | None:
    """The check of one answer; None where there is nothing to check.  BadRequest for a schema that is none."""
    wanted = request.params.response_format
    if wanted is None or "response_format" not in report.fates().get("emulated", ()):
        return None
    try:
        return FormatCheck(Schema(wanted.json_schema.schema) if wanted.json_schema is not None else None)
    except UnusableSchema as error:
        raise BadRequest(f"response_format.json_schema.schema: {error}") from None


class FormatCheck:
    """Collects each choice's text, and looks at it when the choice ends.  `schema`: None if any object will do."""

    __slots__ = ("_schema", "_texts")

    def __init__(self, schema: Schema | None) -> None:
        self._schema = schema
        self._texts: dict[int, list[str]] = {}

    def see(self, chunk: Chunk) -> None:
        """The next chunk of a stream.  FormatMissed if it ends a choice that has not the format."""
        if chunk.content:
            self._texts.setdefault(chunk.index, []).append(chunk.content)
        if chunk.finish_reason is not None:
            self._check("".join(self._texts.pop(chunk.index, ())), chunk.finish_reason)

    def see_whole(self, response: ChatResponse) -> None:
        """A whole answer.  FormatMissed if one of its choices has not the format."""
        for choice in response.choices:
            self._check(choice.content, choice.finish_reason)

    def _check(self, text: str, finish: FinishReason) -> None:
        if finish != "stop":
            return
        try:
            value = msgspec.json.decode(text.encode())
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            raise _broken("it is no JSON") from None
        if self._schema is not None:
            fault = self._schema.fault(value)
        else:
            fault = None if isinstance(value, dict) else "it is no object"
        if fault is not None:
            raise _broken(fault)


def _broken(why: str) -> FormatMissed:
    """The words about the answer are the caller's alone: they may quote it."""
    summary = "the model's answer has not the format that it was told to have"
    return FormatMissed(f"{summary}: {why}; it could not be bound to it, so try again", summary=summary)
