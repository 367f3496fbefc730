"""A stream as its client got it, put together to the answer that it would have been in one piece.

Assembly in domain/ does this for what cloche understands of an answer.  Here every field counts, known or not, and a
stream may have broken off or ended in an error: it is a record of what was said.  Where Assembly can answer, both say
the same.  Must not know who asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from cloche.codec import sse
from cloche.wire.frames import Frame, frame_of

_SAID_ONCE = frozenset(("role", "type", "id", "name", "object", "finish_reason", "finishReason", "signature"))
"""Texts that are not pieces of a longer one: the last holds."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def assembled(pieces: Iterable[bytes]) -> bytes:
    """The answer in a stream's bytes; the bytes themselves if they cannot be read.  About 1 µs for each event that is
    like the one before but for its text, and 3 µs for each other."""
    data = b"".join(pieces)
    decoder = sse.Decoder()
    answer: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    frame: Frame | None = None
    texts: list[str] = []
    try:
        for payload in decoder.feed(data) + decoder.close():
            if not payload or payload == sse.DONE:
                continue
            text = None if frame is None else frame.text(payload)
            if text is not None:
                texts.append(text)
                continue
            _say(choices, frame, texts)
            event = _decode(payload)
            _add(answer, choices, event)
            frame = frame_of(payload, event)
        _say(choices, frame, texts)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, AttributeError):
        return data
    if choices:
        answer["choices"] = [_finished(choice) for _, choice in sorted(choices.items())]
    if answer.get("object") == "chat.completion.chunk":
        answer["object"] = "chat.completion"
    return _encode(answer)


def _say(choices: dict[int, dict[str, Any]], frame: Frame | None, texts: list[str]) -> None:
    """Add what events of one frame have said to their choice."""
    if frame is not None and texts:
        _merge(choices[frame.choice], {"message": {"content": "".join(texts)}})
        texts.clear()


def _add(answer: dict[str, Any], choices: dict[int, dict[str, Any]], event: dict[str, Any]) -> None:
    for name, value in event.items():
        if name != "choices" and (value is not None or name not in answer):
            answer[name] = value
    for given in event.get("choices") or ():
        choice = choices.setdefault(given.get("index") or 0, {})
        if "delta" in given:
            given = {("message" if name == "delta" else name): value for name, value in given.items()}
        _merge(choice, given)


def _merge(known: dict[str, Any], given: dict[str, Any]) -> None:
    """Add what is given to what is known."""
    for name, value in given.items():
        before = known.get(name)
        if name == "tool_calls" and isinstance(value, list):
            known[name] = _calls(before or {}, value)
        elif value is None:
            known.setdefault(name, None)
        elif not before or name in _SAID_ONCE:
            known[name] = value
        elif isinstance(before, list):
            _extend(before, value if isinstance(value, list) else [{"type": "text", "text": value}])
        elif isinstance(value, list) and isinstance(before, str):
            known[name] = [{"type": "text", "text": before}, *value]
        elif isinstance(before, str) and isinstance(value, str):
            known[name] = before + value
        elif isinstance(before, dict) and isinstance(value, dict):
            _merge(before, value)
        else:
            known[name] = value


def _calls(known: dict[int, dict[str, Any]], given: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Tool calls by their place, until the choice is finished."""
    for call in given:
        place = call.get("index", len(known))
        _merge(known.setdefault(place, {}), {name: value for name, value in call.items() if name != "index"})
    return known


def _extend(known: list[Any], given: list[Any]) -> None:
    """Add the parts of a list; a text goes on where the same kind of text was the last."""
    for part in given:
        if known and _goes_on(known[-1], part):
            _merge(known[-1], part)
        else:
            known.append(part)


def _goes_on(last: Any, part: Any) -> bool:
    if not (isinstance(last, dict) and isinstance(part, dict)) or last.get("type") != part.get("type"):
        return False
    if last.get("type") == "reasoning":
        summaries = (last.get("summary") or [None])[-1], (part.get("summary") or [None])[0]
        return _goes_on(*summaries)
    # What is signed is complete.
    return last.get("type") in ("text", "summary_text") and "signature" not in last


def _finished(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice.get("message")
    if isinstance(message, dict) and isinstance(message.get("tool_calls"), dict):
        message["tool_calls"] = [call for _, call in sorted(message["tool_calls"].items())]
        message["content"] = message.get("content") or None
    if message is not None:
        choice.setdefault("logprobs", None)
    return choice
