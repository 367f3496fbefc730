"""Events of a stream that differ in their text alone: what stands around it is compared, and only the text is read.

Nearly all events of a stream are such; what one adds to the one before is its text.  To look for that takes a third of
the time that decoding the event takes.  Must not know what is done with the text.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

_TEXT = re.compile(rb'"content": ?("(?:[^"\\]|\\.)*")', re.DOTALL)

_decode = msgspec.json.Decoder().decode
_decode_text = msgspec.json.Decoder(str).decode


class Frame(NamedTuple):
    """What stands around the text in an event that says text and nothing else.  `choice`: its index."""

    before: bytes
    after: bytes
    choice: int

    def text(self, event: bytes) -> str | None:
        """The text of another event; None if it is not like this one."""
        before, after, _ = self
        if not (event.startswith(before) and event.endswith(after)):
            return None
        try:
            return _decode_text(event[len(before) : len(event) - len(after)])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None


def frame_of(payload: bytes, event: dict[str, Any]) -> Frame | None:
    """The frame of an event, decoded already; None if it says more than text, or it cannot be told which text is
    meant."""
    choices = event.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or payload.count(b'"content"') != 1:
        return None
    delta, found = choices[0].get("delta"), _TEXT.search(payload)
    if found is None or not isinstance(delta, dict) or delta.keys() != {"content"}:
        return None
    return Frame(payload[: found.start(1)], payload[found.end(1) :], choices[0].get("index") or 0)


def frame_of_piece(piece: bytes) -> Frame | None:
    """The same for a piece of a stream that is one event, line ends and all; None for all others."""
    if piece[:6] != b"data: " or piece[-2:] != b"\n\n" or piece.count(b"\n") != 2:
        return None
    try:
        frame = frame_of(piece[6:-2], _decode(piece[6:-2]))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, AttributeError):
        return None
    return None if frame is None else Frame(b"data: " + frame.before, frame.after + b"\n\n", frame.choice)
