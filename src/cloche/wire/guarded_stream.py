"""An event stream on its way to a client, with a guard on its texts: events stay as they are but for the texts.

What is held back of a text when its choice ends, or when another text of it begins, goes out in an event of its own
before that; an event that has nothing left to say is left out.  Arguments of tool calls go out when their choice ends.
Token records are left out: they hold the text that is masked.  Must not know HTTP.

Measured: 8 µs for each event, 3 of them for the guard.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cloche.codec import sse
from cloche.guardrails.guard import Passing, Piecewise
from cloche.wire.guarded import arguments_passed, around_passed, beside_passed, error_passed, passed, readable

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_PLAIN = ("content", "refusal", "reasoning_content", "reasoning", "text")
"""Texts that come in pieces; of `reasoning` also the parts that Databricks has in `content`."""

_IN_PARTS = "parts"
_CALLS = "calls"


class _Choice:
    """The texts of one choice that are under way, and the arguments of its calls, by the call's index; None: of the
    older `function_call`."""

    __slots__ = ("arguments", "windows")

    def __init__(self) -> None:
        self.windows: dict[str, Piecewise] = {}
        self.arguments: dict[int | None, str] = {}


class GuardedStream:
    """Fed with the bytes of a stream in any cut.  `choices`: the indices that have come."""

    __slots__ = ("_choices", "_decoder", "_events", "_guard")

    def __init__(self, guard: Passing) -> None:
        self._guard = guard
        self._decoder = sse.Decoder()
        self._choices: dict[int, _Choice] = {}
        self._events: list[bytes] = []

    @property
    def choices(self) -> list[int]:
        """Those that have come."""
        return list(self._choices)

    def feed(self, data: bytes) -> bytes:
        """Bytes for the client, perhaps none.  Raises Blocked: then nothing of `data` may go out."""
        self._events = []
        event: dict[str, Any] = {}
        with readable():
            for payload in self._decoder.feed(data):
                if payload == sse.DONE:
                    for index in self._choices:
                        self._flush(event, index, set())
                    self._events.append(payload)
                elif payload:
                    event = self._take(payload)
        return sse.encode_all(self._events)

    def _take(self, payload: bytes) -> dict[str, Any]:
        event: dict[str, Any] = _decode(payload)
        choices = event.get("choices")
        if event.get("error") is not None:
            self._choices.clear()  # what was held back may be half of something
            self._events.append(_encode(error_passed(event, self._guard)))
            return event
        more = around_passed(event, self._guard.passed)
        if not choices:
            self._events.append(_encode(event) if more else payload)
            return event
        left = [choice for choice in choices if self._goes_on(event, choice)]
        if left or event.get("usage") is not None:
            self._events.append(_encode({**event, "choices": left or choices}))
        return event

    def _goes_on(self, event: dict[str, Any], choice: dict[str, Any]) -> bool:
        """Whether the choice has something left to say in this event; its texts are passed."""
        beside_passed(choice, self._guard.passed)
        # Some say there all that was said so far, whose end may be half of something.
        choice.pop("message", None)
        index, ends = choice.get("index", 0), bool(choice.get("finish_reason"))
        known = self._choices.get(index)
        if known is None:
            known = self._choices[index] = _Choice()
        saying = choice.get("delta") or {}
        kinds = _kinds(saying)
        had, left = self._pass(saying, known, ends=ends)
        text = choice.get("text")
        if text:  # of a text completion; some chats have it beside the delta
            kinds.add("text")
            choice["text"] = self._piece(known, "text", text, ends=ends)
            had, left = True, left or bool(choice["text"])
        if ends or (kinds and not kinds.issuperset(known.windows)):
            self._flush(event, index, kinds, ends=ends)
        return ends or left or not had

    def _pass(self, saying: dict[str, Any], known: _Choice, *, ends: bool) -> tuple[bool, bool]:
        """Pass the texts of a delta; whether it had some, and whether there is something left."""
        had, left = False, False
        for name, value in list(saying.items()):
            if name in _PLAIN and type(value) is str:
                saying[name] = self._piece(known, name, value, ends=ends)
                had, left = had or bool(value), left or bool(saying[name])
            elif name == "content" and type(value) is list:
                saying[name] = [self._part(known, part, ends=ends) for part in value]
                left = True
            elif name == "tool_calls" and value:
                saying[name] = [call for call in value if self._begins(known, call, ends=ends)]
                had, left = True, left or bool(saying[name])
                if not saying[name]:
                    del saying[name]
            elif name == "function_call" and value:
                _collect(known, None, value)
                had, left = True, left or "name" in value
            elif name == "role":
                left = True
            else:
                saying[name] = passed(value, self._guard.passed)
                left = left or value is not None
        return had, left

    def _piece(self, known: _Choice, kind: str, text: str, *, ends: bool) -> str:
        if not text:
            return text
        window = known.windows.get(kind)
        if window is None:
            window = known.windows[kind] = self._guard.window()
        if ends:
            del known.windows[kind]
            return window.end(text)
        return window.feed(text)

    def _part(self, known: _Choice, part: Any, *, ends: bool) -> Any:
        """A part of content: text, or the reasoning as Databricks has it."""
        if type(part) is dict and part.get("type") == "text" and type(part.get("text")) is str:
            return {**part, "text": self._piece(known, "content", part["text"], ends=ends)}
        if type(part) is dict and part.get("type") == "reasoning" and type(part.get("summary")) is list:
            return {**part, "summary": [self._summary(known, each, ends=ends) for each in part["summary"]]}
        return passed(part, self._guard.passed)

    def _summary(self, known: _Choice, part: Any, *, ends: bool) -> Any:
        if type(part) is dict and part.get("type") == "summary_text" and type(part.get("text")) is str:
            return {**part, "text": self._piece(known, _IN_PARTS, part["text"], ends=ends)}
        return passed(part, self._guard.passed)

    def _begins(self, known: _Choice, call: dict[str, Any], *, ends: bool) -> bool:
        """Whether a piece of a call says more than arguments, which are kept unless they end here."""
        place, function = call.get("index", 0), call.get("function") or {}
        _collect(known, place, function)
        if ends and place in known.arguments:
            function["arguments"] = arguments_passed(known.arguments.pop(place), self._guard.passed)
            return True
        return bool(call.get("id") or function.get("name"))

    def _flush(self, event: dict[str, Any], index: int, kinds: set[str], *, ends: bool = True) -> None:
        """Give out what is held back of a choice, but for the texts that go on in this event."""
        known = self._choices[index]
        for kind in [kind for kind in known.windows if kind not in kinds]:
            rest = known.windows.pop(kind).end()
            if rest:
                self._say(event, index, kind, rest)
        if not ends:
            return
        for place, arguments in known.arguments.items():
            told = {"arguments": arguments_passed(arguments, self._guard.passed)}
            if place is None:
                self._tell(event, index, {"function_call": told})
            else:
                self._tell(event, index, {"tool_calls": [{"index": place, "function": told}]})
        known.arguments.clear()

    def _say(self, event: dict[str, Any], index: int, kind: str, rest: str) -> None:
        if kind == _IN_PARTS:
            summary = {"type": "summary_text", "text": rest}
            self._tell(event, index, {"content": [{"type": "reasoning", "summary": [summary]}]})
        else:
            self._tell(event, index, {kind: rest})

    def _tell(self, event: dict[str, Any], index: int, said: dict[str, Any]) -> None:
        """An event that looks like the one before which it goes out."""
        choice = {"index": index, "delta": said, "finish_reason": None}
        if "text" in said:
            choice = {"index": index, **said, "logprobs": None, "finish_reason": None}
            if event.get("object") == "chat.completion.chunk":
                choice["delta"] = {}  # a chat that says its texts twice: clients read a delta in each event
        envelope = {name: event[name] for name in ("id", "object", "created", "model") if name in event}
        self._events.append(_encode({**envelope, "choices": [choice]}))


def _collect(known: _Choice, place: int | None, function: dict[str, Any]) -> None:
    """Keep a piece of arguments, and take it out of where it came."""
    text = function.get("arguments")
    if type(text) is str:
        if text:
            known.arguments[place] = known.arguments.get(place, "") + text
        function["arguments"] = ""


def _kinds(saying: dict[str, Any]) -> set[str]:
    """Which texts a delta goes on with."""
    kinds = {name for name in _PLAIN if type(saying.get(name)) is str and saying[name]}
    if saying.get("tool_calls") or saying.get("function_call"):
        kinds.add(_CALLS)
    content = saying.get("content")
    if type(content) is list:
        for part in content:
            if type(part) is dict:
                kinds.add({"text": "content", "reasoning": _IN_PARTS}.get(part.get("type", ""), "content"))
    return kinds
