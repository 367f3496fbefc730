"""Answers behind InvokeModel that were spoilt on their way: whatever stands in them, only a Problem comes out."""

from __future__ import annotations

import copy
import json
import random
from contextlib import suppress
from typing import Any

import pytest

from cloche.domain.errors import Problem

from .invoke_asking import invoke, streamed

CALL = {"id": "a", "index": 0, "function": {"name": "f", "arguments": "{}"}}
METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 8}}
CITED = {"text": "a", "finish_reason": "COMPLETE", "documents": [{"id": "d"}], "meta": {"tokens": {"input_tokens": 1}}}

SOUND: dict[str, list[Any]] = {
    "amazon.nova-lite-v1:0": [
        {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "a", "name": "f"}}, "contentBlockIndex": 0}},
        {"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}}, "contentBlockIndex": 0}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "tool_use"}},
        {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 2}}, **METRICS},
    ],
    "anthropic.claude-3-haiku-20240307-v1:0": [
        {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop", **METRICS},
    ],
    "cohere.command-r-v1:0": [
        {"event_type": "text-generation", "text": "a"},
        {"event_type": "tool-calls-generation", "tool_calls": [{"name": "f", "parameters": {"x": 1}}]},
        {"event_type": "citation-generation", "citations": [{"start": 0, "end": 1, "document_ids": ["d"]}]},
        {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": CITED, **METRICS},
    ],
    "mistral.mistral-large-2402-v1:0": [
        {"choices": [{"index": 0, "message": {"content": "a", "tool_calls": [CALL]}}]},
        {"choices": [{"index": 0, "message": {"content": ""}, "stop_reason": "stop"}], **METRICS},
    ],
    "amazon.titan-text-express-v1": [{"outputText": "a", "totalOutputTextTokenCount": 2, "completionReason": "LENGTH"}],
    "meta.llama3-8b-instruct-v1:0": [{"generation": "a", "prompt_token_count": 1, "stop_reason": "stop", **METRICS}],
    "cohere.command-text-v14": [{"index": 0, "text": "a"}, {"finish_reason": "COMPLETE", **METRICS}],
    "mistral.mistral-7b-instruct-v0:2": [{"outputs": [{"text": "a", "stop_reason": "stop"}], **METRICS}],
}

STRANGE: tuple[Any, ...] = (None, 1, 1.5, "x", "", [], {}, True, [None], {"a": 1}, -1, [{}])


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a value: what it is in, and its key there."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(value, key), *places(value[key])]]


@pytest.mark.parametrize("model", SOUND)
def test_nothing_but_a_problem_comes_of_it(model: str) -> None:
    """Something strange in any place of the events, or of an event in the place of a whole answer, is borne or is a
    Problem."""
    assert streamed(model, *SOUND[model]).choices
    for seed in range(300):
        dice, events = random.Random(seed), copy.deepcopy(SOUND[model])
        inside, key = dice.choice(places(events))
        inside[key] = dice.choice(STRANGE)
        with suppress(Problem):
            streamed(model, *events)
        with suppress(Problem):
            invoke(model).decode(json.dumps(events[-1]).encode())
