"""Tools for models whose chat template knows none: how they are told of them, and how their calls are read.

The model is told of the functions in its system message.  Where it must call (`required`, a named function), a JSON
schema forces its output; where it may (`auto`), it marks calls with <tool_call> tags, and text that holds no valid
call stays text: a call is never made up.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

import msgspec

from cloche.domain.chat import Function, Message

OPEN, CLOSE = "<tool_call>", "</tool_call>"
MAX_CALLS = 8
"""Calls in one answer: without a bound a small model repeats itself until its tokens are spent."""

# ---------------------------------------------------------------- what the model is told


def _instructions(tools: list[Function]) -> str:
    functions = "\n".join(msgspec.json.encode(tool).decode() for tool in tools)
    return (
        "You can call functions. They are, one per line as JSON:\n"
        f"{functions}\n"
        "To call a function, answer with nothing but\n"
        f'{OPEN}{{"name": "FUNCTION", "arguments": {{…}}}}{CLOSE}\n'
        "once for each call. If no function helps, answer in plain text."
    )


def render(messages: list[Message], tools: list[Function]) -> list[dict[str, str]]:
    """The conversation as plain text turns: calls and their results are written into them, tools into the first."""
    turns: list[dict[str, str]] = []
    for results, group in groupby(messages, lambda message: message.role == "tool"):
        texts = [_turn(message) for message in group]
        if results:
            turns.append({"role": "user", "content": "\n".join(text for _, text in texts)})
        else:
            turns += [{"role": role, "content": text} for role, text in texts]
    if tools:
        if turns and turns[0]["role"] == "system":
            turns[0]["content"] += "\n\n" + _instructions(tools)
        else:
            turns.insert(0, {"role": "system", "content": _instructions(tools)})
    return turns


def _turn(message: Message) -> tuple[str, str]:
    text = message.text()
    if message.role == "tool":
        return "user", f"<tool_response>\n{text}\n</tool_response>"
    if message.role == "developer":
        return "system", text
    calls = [
        f'{OPEN}{{"name": {json.dumps(call.function.name)}, "arguments": {call.function.arguments or "{}"}}}{CLOSE}'
        for call in message.tool_calls or ()
    ]
    return message.role, "\n".join([text, *calls] if text else calls)


# ---------------------------------------------------------------- what the model is forced to say


def arguments_schema(tool: Function) -> dict[str, Any]:
    """The schema of one function's arguments."""
    return tool.parameters or {"type": "object", "properties": {}}


def calls_schema(tools: list[Function], *, at_most: int) -> dict[str, Any]:
    """The schema of `{"tool_calls": [{"name", "arguments"}, …]}` with at least one call."""
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": tool.name}, "arguments": arguments_schema(tool)},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    items = calls[0] if len(calls) == 1 else {"anyOf": calls}
    return {
        "type": "object",
        "properties": {"tool_calls": {"type": "array", "minItems": 1, "maxItems": at_most, "items": items}},
        "required": ["tool_calls"],
        "additionalProperties": False,
    }


# ---------------------------------------------------------------- what the model said

Call = tuple[str, str]
"""Function name and arguments as JSON text."""


def read_call(text: str, names: set[str]) -> Call | None:
    """A call of a known function with an object as arguments, or None."""
    try:
        call = msgspec.json.decode(text, type=_WrittenCall)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return (call.name, json.dumps(call.arguments, ensure_ascii=False)) if call.name in names else None


class _WrittenCall(msgspec.Struct):
    name: str
    arguments: dict[str, Any] = {}


def read_calls(text: str, names: set[str]) -> list[Call]:
    """The complete calls at the start of `{"tool_calls": […`, also if the text was cut off after them."""
    calls: list[Call] = []
    decoder = json.JSONDecoder()
    position = text.find("[") + 1
    while 0 < position < len(text):
        while position < len(text) and text[position] in " ,\n\r\t":
            position += 1
        try:
            _, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            break
        call = read_call(text[position:end], names)
        if call is not None:
            calls.append(call)
        position = end
    return calls


class TagScanner:
    """Splits streamed text into plain text and tagged calls, the same however the text is cut.

    Text is held back only while it may be part of a tag, or is blank: blanks that only set calls apart are left out.
    Calls after the first `at_most` are left out too: they are no text that anybody should read.
    """

    __slots__ = ("_at_most", "_held", "_in_text", "_inside", "_names", "calls")

    def __init__(self, names: set[str], *, at_most: int) -> None:
        self._names = names
        self._at_most = at_most
        self._held = ""
        self._inside = False
        self._in_text = False  # the last that was passed on is text, so that blanks belong to it
        self.calls = 0

    def feed(self, text: str) -> list[str | Call]:
        """What can be passed on now: pieces of text, and calls."""
        self._held += text
        out: list[str | Call] = []
        while True:
            mark = CLOSE if self._inside else OPEN
            at = self._held.find(mark)
            if at < 0:
                break
            before, self._held = self._held[:at], self._held[at + len(mark) :]
            if self._inside:
                self._take_call(before, out)
            else:
                self._pass_text(before, out)
            self._inside = not self._inside
        if not self._inside:
            keep = _overlap(self._held, OPEN)
            ready = self._held[: len(self._held) - keep]
            if self._pass_text(ready, out):
                self._held = self._held[len(ready) :]
        return out

    def _pass_text(self, text: str, out: list[str | Call]) -> bool:
        """Pass text on unless it is blank and stands alone."""
        self._in_text = self._in_text or bool(text.strip())
        if self._in_text and text:
            out.append(text)
        return self._in_text

    def close(self) -> list[str | Call]:
        """The text ended.  Models leave out the last closing tag: what stands there may still be a whole call."""
        out: list[str | Call] = []
        if self._inside:
            self._take_call(self._held, out, closed=False)
        elif not self.calls and self._held:
            out.append(self._held)
        else:
            self._pass_text(self._held, out)
        self._held = ""
        return out

    def _take_call(self, text: str, out: list[str | Call], *, closed: bool = True) -> None:
        call = read_call(text, self._names)
        if call is None:
            self._in_text = True
            out.append(OPEN + text + (CLOSE if closed else ""))
            return
        self._in_text = False
        if self.calls < self._at_most:
            self.calls += 1
            out.append(call)


def _overlap(text: str, mark: str) -> int:
    """How many characters at the end of `text` may be the beginning of `mark`."""
    for length in range(min(len(text), len(mark) - 1), 0, -1):
        if mark.startswith(text[-length:]):
            return length
    return 0
