"""Chunks put together again: in any interleaving of choices the same answer, and never before its end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Choice, Chunk, FunctionCall, ToolCall, ToolCallDelta, Usage

USAGE = Usage(prompt_tokens=1, completion_tokens=2)
CHOICES = [
    [Chunk(content="he"), Chunk(content="llo", logprobs=({"token": "llo"},)), Chunk(finish_reason="length")],
    [
        Chunk(index=1, tool_calls=(ToolCallDelta(1, "c2", "g", ""), ToolCallDelta(0, "c1", "f", '{"a"'))),
        Chunk(index=1, tool_calls=(ToolCallDelta(0, arguments=":1}"),)),
        Chunk(index=1, finish_reason="tool_calls", usage=USAGE),
    ],
]
EXPECTED = ChatResponse(
    [
        Choice(0, "hello", "length", logprobs=[{"token": "llo"}]),
        Choice(
            1, "", "tool_calls", [ToolCall("c1", FunctionCall("f", '{"a":1}')), ToolCall("c2", FunctionCall("g", ""))]
        ),
    ],
    USAGE,
)


@given(turns=st.lists(st.integers(0, 1), min_size=6, max_size=6))
def test_any_interleaving_gives_the_same_answer(turns: list[int]) -> None:
    """However the chunks of two choices are mixed, the answer is the same, and complete exactly with the last."""
    left = [list(chunks) for chunks in CHOICES]
    assembly = Assembly(2)
    for turn in turns:
        assert not assembly.complete
        assembly.add((left[turn] or left[1 - turn]).pop(0))
    assert assembly.complete
    assert assembly.response() == EXPECTED


@pytest.mark.parametrize("expected", [1, 2])
def test_nothing_is_complete_without_a_finish_reason(expected: int) -> None:
    """Text alone is no answer, and neither is one choice of two."""
    assembly = Assembly(expected)
    assert not assembly.complete
    assembly.add(Chunk(content="a"))
    assert not assembly.complete
    assembly.add(Chunk(finish_reason="stop"))
    assert assembly.complete is (expected == 1)


def test_usage_is_the_sum_of_its_parts() -> None:
    """The total is prompt and completion together."""
    assert USAGE.total_tokens == 3
