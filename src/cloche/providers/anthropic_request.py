"""Canonical requests as bodies of Anthropic's Messages API, without the model's name and `stream`.

Every field that the client gave is noted in the report.  The limits of each model are in anthropic_models.py, the
turns of the conversation in anthropic_turns.py.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from cloche.domain.chat import ChatParams, ChatRequest, NamedTool, Tool
from cloche.domain.translation import Report
from cloche.providers import anthropic_schema
from cloche.providers.anthropic_models import Abilities, abilities
from cloche.providers.anthropic_turns import Block, Conversation, conversation
from cloche.providers.message_fields import note_unheard

DEFAULT_MAX_TOKENS = 4096
"""Of an answer without bound, besides its reasoning: the API demands a bound, and this is the least that all models
have."""

BUDGETS = MappingProxyType({"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 27904})
"""Tokens of reasoning for each effort, where a model takes a budget.  The largest, with the bound above, is the least
bound of all models that reason."""

LEAST_BUDGET = 1024

_EFFORTS = MappingProxyType({"minimal": "low"})
"""Efforts by another name; the others have the same."""

_HEARD = frozenset(("messages.provider_content", "messages.content.citations", "messages.content.context"))
"""What a message may bear here that others have no place for."""

NOT_TAKEN = ("seed", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs")
"""Modelled fields that this API has nothing like."""

OPENAI_ONLY = frozenset(
    (
        "audio",
        "function_call",
        "functions",
        "modalities",
        "moderation",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "store",
        "verbosity",
        "web_search_options",
    )
)
"""Fields of OpenAI's own, not modelled here, which this API would refuse."""

_TIERS = MappingProxyType({"auto": "auto", "default": "standard_only", "standard_only": "standard_only"})

_ONLY_JSON = "Answer with one JSON object and nothing else: no words before or after it, and no code fence."
_ONLY_SCHEMA = "Answer with JSON that fits this JSON schema and nothing else, without a code fence: "


def encode(request: ChatRequest, report: Report, model: str) -> dict[str, Any]:
    """The body.  BadRequest for what this API has no place for."""
    talk = conversation(msgspec.json.decode(request.fields["messages"]), report)
    note_unheard(request.fields["messages"], report, _HEARD)
    body = _Body(request, report, abilities(model), talk)
    return body.fields()


class _Body:
    """One request on its way into a body; `_thinks` and `_room`, the tokens to reason in, are known on the way."""

    __slots__ = ("_body", "_can", "_instructions", "_params", "_report", "_request", "_room", "_talk", "_thinks")

    def __init__(self, request: ChatRequest, report: Report, can: Abilities, talk: Conversation) -> None:
        self._request = request
        self._params = request.params
        self._report = report
        self._can = can
        self._talk = talk
        self._instructions = list(talk.system)
        self._body: dict[str, Any] = {}
        self._thinks = False
        self._room = 0

    def fields(self) -> dict[str, Any]:
        """The body, field by field."""
        self._tools()
        self._tool_choice()
        self._thinking()
        self._response_format()
        self._max_tokens()
        self._sampling()
        self._stop()
        self._caller()
        self._nothing_like_it()
        if self._instructions:
            self._body["system"] = _shortened(self._instructions)
        self._body["messages"] = [{**turn, "content": _shortened(turn["content"])} for turn in self._talk.turns]
        self._unknown()
        return self._body

    # ------------------------------------------------------------ tools

    def _tools(self) -> None:
        if not self._params.tools:
            return
        raw = msgspec.json.decode(self._request.fields["tools"])
        pairs = zip(self._params.tools, raw, strict=True)
        self._body["tools"] = [self._tool(tool, given, at) for at, (tool, given) in enumerate(pairs)]
        own = all(tool.function is None for tool in self._params.tools)
        self._report.note("passed" if own else "mapped", "tools")

    def _tool(self, tool: Tool, given: Block, index: int) -> Block:
        """A function in the API's shape; a tool of the provider's own as it is."""
        if tool.function is None or tool.type != "function":
            return given
        function = tool.function
        schema = {"type": "object", **(function.parameters or {"properties": {}})}
        found: Block = {"name": function.name, "input_schema": schema}
        if function.description:
            found["description"] = function.description
        if function.strict:
            bound = anthropic_schema.bound(schema, f"tools[{index}].function.parameters") if self._can.schemas else None
            if bound is None:
                self._report.note("dropped", "tools.strict", "this model cannot be bound to that schema")
            else:
                found |= {"input_schema": bound, "strict": True}
        for name in ("cache_control", "defer_loading", "allowed_callers", "input_examples"):
            value = given.get(name, given["function"].get(name))
            if value is not None:
                found[name] = value
        return found

    def _tool_choice(self) -> None:
        choice, parallel = self._params.tool_choice, self._params.parallel_tool_calls
        found: Block = {}
        if isinstance(choice, NamedTool):
            found = {"type": "tool", "name": choice.function.name}
        elif choice is not None:
            found = {"type": {"required": "any"}.get(choice, choice)}
        if parallel is False and choice != "none":
            found = {"type": "auto", **found, "disable_parallel_tool_use": True}
        if found and self._params.tools:
            self._body["tool_choice"] = found
        self._note_if_given("mapped", "tool_choice", "parallel_tool_calls")

    def _forced(self) -> bool:
        """Whether a tool must be called."""
        return self._params.tool_choice == "required" or isinstance(self._params.tool_choice, NamedTool)

    # ------------------------------------------------------------ reasoning

    def _thinking(self) -> None:
        thinking, effort = self._params.thinking, self._params.reasoning_effort
        if self._can.thinking == "none":
            off = thinking is None or thinking.get("type") == "disabled"
            self._note_if_given("mapped" if off else "dropped", "thinking", why="this model does not reason")
            fate = "mapped" if effort == "none" else "dropped"
            self._note_if_given(fate, "reasoning_effort", why="this model does not reason")
            return
        if thinking is not None:
            self._given_thinking(thinking)
        if effort is not None:
            self._effort(effort)
        self._thinks = self._body.get("thinking", {}).get("type") in ("enabled", "adaptive")

    def _given_thinking(self, thinking: dict[str, Any]) -> None:
        kind = thinking.get("type")
        if kind == "enabled" and not self._can.budgets:
            display = thinking.get("display", "summarized")
            self._body["thinking"] = {"type": "adaptive", "display": display}
            self._room = BUDGETS["high"]
            self._report.note("clamped", "thinking", "this model takes no budget")
            return
        obstacle = self._obstacle() if kind == "enabled" else ""
        if obstacle:
            self._report.note("dropped", "thinking", obstacle)
            return
        self._body["thinking"] = thinking
        budget = thinking.get("budget_tokens")
        self._room = budget if isinstance(budget, int) else BUDGETS["high"] if kind == "adaptive" else 0
        self._report.note("passed", "thinking")

    def _effort(self, effort: str) -> None:
        if effort == "none" or (self._can.thinking == "budget" and self._params.thinking is not None):
            if self._params.thinking is not None:
                self._report.note("dropped", "reasoning_effort", "thinking is given, too")
            else:
                self._body["thinking"] = {"type": "disabled"}
                self._report.note("mapped", "reasoning_effort")
        elif self._can.thinking == "budget":
            self._budget(BUDGETS[effort])
        else:
            level = _EFFORTS.get(effort, effort)
            clamped = level == "xhigh" and not self._can.top_efforts
            self._body["output_config"] = {"effort": "high" if clamped else level}
            if self._params.thinking is None:
                # Told to or not, older models of these show their reasoning; newer ones only when they are told.
                display = {"display": "summarized"} if self._can.top_efforts else {}
                self._body["thinking"] = {"type": "adaptive", **display}
                self._room = BUDGETS[effort]
            self._report.note("clamped" if clamped else "mapped", "reasoning_effort", "this model knows no xhigh")

    def _budget(self, wanted: int) -> None:
        """Reasoning within a budget, which has to be less than the bound of the whole answer."""
        bound = self._request.max_tokens
        budget = wanted if bound is None else min(wanted, bound - 1)
        obstacle = self._obstacle() or ("max_tokens leaves no room to reason" if budget < LEAST_BUDGET else "")
        if obstacle:
            self._report.note("dropped", "reasoning_effort", obstacle)
            return
        self._body["thinking"] = {"type": "enabled", "budget_tokens": budget}
        self._room = budget
        self._report.note("mapped" if budget == wanted else "clamped", "reasoning_effort", "max_tokens is smaller")

    def _obstacle(self) -> str:
        """Why a model that reasons within a budget cannot do so in this request; empty if it can."""
        if self._can.thinking != "budget":
            return ""
        if self._forced() and self._params.tools:
            return "this model cannot reason before a tool that must be called"
        *earlier, last = self._talk.turns
        answers = last["role"] == "user" and last["content"][0]["type"] == "tool_result"
        if answers and earlier and earlier[-1]["content"][0]["type"] not in ("thinking", "redacted_thinking"):
            return "the tool calls that are answered come without the reasoning before them"
        return ""

    # ------------------------------------------------------------ the answer's form, length and sampling

    def _response_format(self) -> None:
        wanted = self._params.response_format
        if wanted is None:
            return
        if wanted.type == "text":
            self._report.note("mapped", "response_format")
        elif wanted.json_schema is None:
            self._instruct(_ONLY_JSON)
        else:
            schema = wanted.json_schema.schema
            bound = anthropic_schema.bound(schema, "response_format.json_schema.schema") if self._can.schemas else None
            if bound is None:
                self._instruct(_ONLY_SCHEMA + msgspec.json.encode(schema).decode())
            else:
                self._body.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": bound}
                self._report.note("mapped", "response_format")

    def _instruct(self, instruction: str) -> None:
        self._instructions.append({"type": "text", "text": instruction})
        self._report.note("emulated", "response_format")

    def _max_tokens(self) -> None:
        bound = self._request.max_tokens
        self._body["max_tokens"] = DEFAULT_MAX_TOKENS + self._room if bound is None else bound
        if self._params.max_tokens is not None or bound is None:
            self._report.note("mapped" if bound is None else "passed", "max_tokens")
        self._note_if_given("mapped", "max_completion_tokens")

    def _sampling(self) -> None:
        for name, wanted in (("temperature", self._params.temperature), ("top_p", self._params.top_p)):
            if wanted is None:
                continue
            default = wanted == 1 and not (self._can.sampling and name == "temperature")
            why = "" if default else self._why_not_sampled(name, wanted)
            if default or why:
                # 1 is the default of both: left out, it is the same.
                self._report.note("mapped" if default else "dropped", name, why)
                continue
            self._body[name] = min(wanted, 1)
            self._report.note("clamped" if wanted > 1 else "passed", name, "at most 1")
        if self._params.top_k is not None:
            if not self._can.sampling or self._thinks:
                self._report.note("dropped", "top_k", "this model does not take it, or not while it reasons")
            else:
                self._body["top_k"] = self._params.top_k
                self._report.note("passed", "top_k")

    def _why_not_sampled(self, name: str, wanted: float) -> str:
        """Why this model does not take that temperature or top_p; empty if it does."""
        if not self._can.sampling:
            return "this model does not take it"
        if self._thinks and (wanted != 1 if name == "temperature" else wanted < 0.95):
            return "not while the model reasons"
        if name == "top_p" and self._can.one_sampler and "temperature" in self._body:
            return "this model does not take it together with temperature"
        return ""

    def _stop(self) -> None:
        if self._params.stop is None:
            return
        given = self._request.stop
        stop = [each for each in given if each.strip()]
        if stop:
            self._body["stop_sequences"] = stop
        self._report.note("mapped" if stop == given else "clamped", "stop", "no text of white space alone")

    # ------------------------------------------------------------ the rest

    def _caller(self) -> None:
        """Who calls, and by which tier."""
        metadata, user = self._params.metadata, self._params.user
        named = (metadata or {}).get("user_id")
        user_id = named if isinstance(named, str) else user
        if user_id is not None:
            self._body["metadata"] = {"user_id": user_id}
        self._note_if_given("mapped" if user_id == user else "dropped", "user", why="metadata.user_id is given, too")
        only_user = metadata is None or metadata.keys() <= {"user_id"}
        self._note_if_given("passed" if only_user else "dropped", "metadata", why="only user_id is taken")
        if self._params.service_tier is not None:
            self._tier(self._params.service_tier)

    def _tier(self, given: str) -> None:
        tier = _TIERS.get(given)
        if tier is None:
            self._report.note("dropped", "service_tier", "there is no such tier")
            return
        self._body["service_tier"] = tier
        self._report.note("passed" if tier == given else "mapped", "service_tier")

    def _nothing_like_it(self) -> None:
        """Fields that are dropped; a value that asks for nothing is no loss."""
        for name in NOT_TAKEN:
            value = getattr(self._params, name)
            idle = not value and name != "seed"
            self._note_if_given("mapped" if idle else "dropped", name, why="anthropic has nothing like it")

    def _unknown(self) -> None:
        """What cloche does not model goes on under its own name, unless it is OpenAI's alone."""
        for name, value in self._request.fields.items():
            if name in ChatParams.__struct_fields__ or bytes(value).strip() == b"null":
                continue
            if name in OPENAI_ONLY:
                self._report.note("dropped", name, "anthropic has nothing like it")
            elif name == "output_config" and name in self._body:
                self._body[name] = _merged(self._body[name], value)
                self._report.note("passed", name)
            elif name in self._body:
                self._report.note("dropped", name, "another field says the same")
            else:
                self._body[name] = value
                self._report.note("passed", name)

    def _note_if_given(self, fate: Any, *names: str, why: str = "") -> None:
        for name in names:
            if getattr(self._params, name) is not None:
                self._report.note(fate, name, why)


def _merged(ours: dict[str, Any], given: Raw) -> Any:
    """Two output_configs in one; what the client wrote in the API's own words counts."""
    theirs = msgspec.json.decode(given)
    return {**ours, **theirs} if isinstance(theirs, dict) else theirs


def _shortened(blocks: list[Block]) -> str | list[Block]:
    """Blocks as the API takes them; a lone text as a string."""
    return blocks[0]["text"] if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} else blocks
