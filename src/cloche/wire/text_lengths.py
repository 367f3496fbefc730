"""How many characters of text a request asks with and an answer says: what usage is told in beside tokens.

Text is what people or functions say: messages, prompts, arguments of calls, reasoning.  Names, schemas and pictures are
none.  What cannot be read counts nothing: a count must never fail a call.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from cloche.codec import sse
from cloche.domain.chat import ChatRequest, Message
from cloche.domain.completion import CompletionRequest
from cloche.domain.embedding import EmbeddingRequest
from cloche.wire.frames import Frame, frame_of_piece


class _Summary(Struct):
    text: str | None = None


class _Part(Struct):
    text: str | None = None
    summary: list[_Summary] | None = None


class _Function(Struct):
    arguments: str | None = None


class _Call(Struct):
    function: _Function | None = None


class _Said(Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(Struct):
    message: _Said | None = None
    delta: _Said | None = None
    text: str | None = None


class _Answer(Struct):
    choices: list[_Choice] = []


_decode = msgspec.json.Decoder(_Answer).decode
_decode_all = msgspec.json.Decoder(list[_Answer]).decode


def of_request(request: ChatRequest | CompletionRequest | EmbeddingRequest) -> int:
    """Characters that are asked with: about 0.1 µs for each message.  Tokens in place of text count nothing."""
    if isinstance(request, ChatRequest):
        return sum(map(_of_message, request.params.messages))
    given = request.params.prompt if isinstance(request, CompletionRequest) else request.params.input
    return len(given) if isinstance(given, str) else _of_texts(given)


def _of_message(message: Message) -> int:
    content = message.content
    if type(content) is str and not message.tool_calls:
        return len(content)
    size = len(content) if isinstance(content, str) else sum(len(part.text or "") for part in content or ())
    return size + sum(len(call.function.arguments) for call in message.tool_calls or ())


def _of_texts(given: Iterable[object]) -> int:
    return sum(len(each) for each in given if isinstance(each, str))


def of_answer(body: bytes) -> int:
    """Characters of a whole answer, or of one event's payload."""
    try:
        return sum(map(_of_choice, _decode(body).choices))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 0


def of_events(pieces: Iterable[bytes]) -> int:
    """Characters of a stretch of a stream, in pieces of whole events: about 0.4 µs for each that is like the one before
    but for its text, and 1 µs for each other."""
    size = 0
    frame: Frame | None = None
    others: list[bytes] = []
    for piece in pieces:
        text = None if frame is None else frame.text(piece)
        if text is not None:
            size += len(text)
        else:
            others.append(piece)
            frame = frame_of_piece(piece)
    return size + _of_all(others)


def _of_all(pieces: Iterable[bytes]) -> int:
    decoder = sse.Decoder()
    told = decoder.feed(b"".join(pieces)) + decoder.close()
    payloads = [payload for payload in told if payload and payload != sse.DONE]
    try:  # all at once, which takes half the time
        return sum(
            _of_choice(choice) for answer in _decode_all(b"[%b]" % b",".join(payloads)) for choice in answer.choices
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return sum(map(of_answer, payloads))


def _of_choice(choice: _Choice) -> int:
    said = choice.message or choice.delta
    if said is None:
        return len(choice.text or "")
    content = said.content
    if type(content) is str and said.tool_calls is None and said.refusal is None:
        return len(content)
    size = 0
    if isinstance(content, str):
        size += len(content)
    elif content is not None:
        size += sum(map(_of_part, content))
    size += len(said.refusal or "")
    return size + sum(len(call.function.arguments or "") for call in said.tool_calls or () if call.function is not None)


def _of_part(part: _Part) -> int:
    return len(part.text or "") + sum(len(each.text or "") for each in part.summary or ())
