"""Rate limits of endpoints: whom they fit, what they cost a call, and what is given back at its end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from cloche.domain.access import Group, Kind, Level, Principal, digest
from cloche.domain.ai_gateway import AiGateway, RateLimit
from cloche.domain.completion import CompletionParams, CompletionRequest
from cloche.domain.embedding import EmbeddingParams, EmbeddingRequest
from cloche.domain.state import State
from cloche.gateway.call import Call
from cloche.gateway.reservation import UNBOUNDED_ANSWER, estimate
from cloche.snapshot import Grant

from .scripted import ANN, TOKEN_KEY, Client, World

PROMPT = 1
"""Tokens of the prompt `hi` by the estimate."""

NOON = 43_200.0
TEAM = Group("50", "team", frozenset({"7", "8"}))
PEOPLE = {
    "ann": structs.replace(ANN, groups=frozenset({"3", "50"})),
    "bob": Principal("8", "bob", groups=frozenset({"3", "50"})),
    "robot": Principal("9", "app-1", Kind.SERVICE_PRINCIPAL, groups=frozenset({"3"})),
}
DELTA = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n'


class Limited(World):
    """A world whose endpoint `chat` has limits; at noon, if the test does not say otherwise."""

    def __init__(self, *limits: RateLimit) -> None:
        self.at = NOON
        super().__init__(now=lambda: self.at)
        snapshot = self.snapshot.current()
        levels = {each.id: Level.CAN_QUERY for each in PEOPLE.values()}
        chat = structs.replace(snapshot.endpoints["chat"], rules=AiGateway(rate_limits=list(limits)), levels=levels)
        tokens = {digest(TOKEN_KEY, name): Grant(each) for name, each in PEOPLE.items()}
        state = State(1, groups=(TEAM,))
        self.snapshot.swap(
            structs.replace(snapshot, endpoints={**snapshot.endpoints, "chat": chat}, tokens=tokens, state=state)
        )

    def call(self, who: str = "ann", **fields: Any) -> tuple[Call, Client]:
        """A call by one of the people."""
        return self.ask(token=b"Bearer " + who.encode(), **fields)

    def admitted(self, *who: str) -> list[bool]:
        """Whether each was let in, one after another."""
        found = []
        for each in who:
            call, client = self.call(each)
            found.append(client.status != 429)
            call.hang_up()
        return found

    def tokens_left(self) -> int:
        """What there is room for."""
        call, client = self.call(max_tokens=1)
        if not client.headers:
            self.last.answer(answer(0, 0))
        assert call.ended
        return int(told(client)["x-ratelimit-remaining-tokens"]) + (2 if client.status == 200 else 0)


def limit(calls: int | None = None, key: Any = None, principal: str | None = None, tokens: int | None = None) -> Any:
    """One limit of an endpoint."""
    return RateLimit("minute", calls, tokens, key, principal)


def told(client: Client) -> dict[str, str]:
    """The header lines of an answer."""
    return dict(line.split(": ", 1) for line in client.headers.decode().split("\r\n") if line)


def answer(prompt: int | None, completion: int = 0) -> bytes:
    """A provider's answer, with its usage unless there is none."""
    usage = {} if prompt is None else {"usage": {"prompt_tokens": prompt, "completion_tokens": completion}}
    return json.dumps({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}], **usage}).encode()


@pytest.mark.parametrize(
    ("limits", "who", "expected"),
    [
        ([limit(2)], ["ann", "bob", "robot"], [True, True, False]),
        ([limit(2, "endpoint")], ["ann", "ann", "bob"], [True, True, False]),
        ([limit(1, "user")], ["ann", "bob", "robot", "ann"], [True, True, True, False]),
        ([limit(1, "user", "ann")], ["ann", "ann", "bob", "bob"], [True, False, True, True]),
        ([limit(2, "user_group", "team")], ["ann", "bob", "ann", "robot"], [True, True, False, True]),
        ([limit(1, "user_group", "nobody's")], ["ann", "ann"], [True, True]),
        ([limit(1, "service_principal", "app-1")], ["robot", "robot", "ann", "ann"], [True, False, True, True]),
        ([limit(3), limit(1, "user")], ["ann", "ann", "bob", "robot", "bob"], [True, False, True, True, False]),
        ([limit(3, "user"), limit(1, "user", "ann")], ["ann", "ann", "bob", "bob"], [True, False, True, True]),
        ([limit(0, "user", "ann")], ["ann", "bob"], [False, True]),
        ([limit(tokens=0)], ["ann"], [False]),
    ],
)
def test_whom_a_limit_fits(limits: list[RateLimit], who: list[str], expected: list[bool]) -> None:
    """Every limit that fits the caller must have room, and what one refuses counts for no other."""
    assert Limited(*limits).admitted(*who) == expected


def test_the_refusal() -> None:
    """It says which limit, when there is room and nothing of others; no provider is asked, and the record has it."""
    world = Limited(limit(9), limit(1, "user"))
    world.at = NOON + 47.5
    world.call("bob")
    world.call("ann")
    asked = len(world.calls)
    _, client = world.call("ann")
    assert (client.status, client.json["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert client.json["message"] == (
        "The endpoint 'chat' takes 1 calls a minute for 'ann', and they are used up: try again in 13 seconds."
    )
    expected = {
        "x-ratelimit-limit-requests": "1",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "13s",
        "retry-after": "13",
    }
    assert expected.items() <= told(client).items()
    assert len(world.calls) == asked
    record = world.records[-1]
    assert (record.status, record.error_code, record.entity) == (429, "REQUEST_LIMIT_EXCEEDED", None)
    assert world.gateway.active_calls == 2


def test_the_answers_head() -> None:
    """An answer tells of the limit with the least room, of calls and of tokens, and a stream's head does too."""
    world = Limited(limit(9, tokens=5000), limit(3, "user", tokens=9000))
    _, client = world.call("ann", max_tokens=99)
    world.last.answer(answer(11, 7))
    expected = {
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "2",
        "x-ratelimit-reset-requests": "60s",
        "x-ratelimit-limit-tokens": "5000",
        "x-ratelimit-remaining-tokens": str(5000 - PROMPT - 99),
        "x-ratelimit-reset-tokens": "60s",
    }
    assert expected.items() <= told(client).items()
    _, client = world.call("ann", stream=True)
    world.last.head()
    world.last.receiver.on_data(DELTA % b"hi")
    assert told(client)["x-ratelimit-remaining-requests"] == "1"


def test_room_in_the_next_minute() -> None:
    """After as many seconds as the refusal says there is room again."""
    world = Limited(limit(1))
    assert world.admitted("ann", "ann") == [True, False]
    world.at += int(told(world.call()[1])["retry-after"])
    assert world.admitted("bob", "ann") == [True, False]


def test_what_was_not_used_is_given_back() -> None:
    """A call holds its prompt and the most it may be answered; at its end the provider's count is what it used."""
    world = Limited(limit(tokens=1000))
    world.call(max_tokens=900)
    assert world.call(max_tokens=200)[1].status == 429
    world.calls[0].answer(answer(11, 7))
    assert world.tokens_left() == 1000 - 18


def test_what_was_used_beyond_the_estimate_counts() -> None:
    """A prompt that the provider counts higher takes that from the minute."""
    world = Limited(limit(tokens=1000))
    world.call(max_tokens=10)
    world.last.answer(answer(900, 10))
    assert world.tokens_left() == 90


def test_a_call_that_failed_used_nothing() -> None:
    """An error before the answer gives all tokens back; the call itself stays counted."""
    world = Limited(limit(2, tokens=1000))
    _, client = world.call(max_tokens=900)
    world.last.answer(b'{"error":{"message":"no"}}', 500)
    assert client.status == 502
    assert world.tokens_left() == 1000
    assert world.admitted("ann") == [False]


def test_a_cut_stream_keeps_what_was_sent() -> None:
    """Hung up on or broken in the middle, a stream has used its prompt and about what was sent; the rest comes back."""
    for broken in (False, True):
        world = Limited(limit(tokens=1000))
        call, client = world.call(max_tokens=900, stream=True)
        world.last.head()
        for piece in (b"", b"one", b"four letters or so, and then some more"):
            world.last.receiver.on_data(DELTA % piece)
        if broken:
            world.last.receiver.on_end()
        else:
            call.hang_up()
        assert call.ended
        assert client.begun
        assert world.tokens_left() == pytest.approx(1000 - PROMPT - 10, abs=3 + 40 * broken)


def test_hung_up_before_the_answer() -> None:
    """The provider has the prompt by then: that stays counted."""
    world = Limited(limit(tokens=1000))
    world.call(max_tokens=900)[0].hang_up()
    assert world.tokens_left() == 1000 - PROMPT


def test_an_answer_without_usage_is_estimated() -> None:
    """Where the provider counted nothing, the size of what was sent is what counts, and no more than was held."""
    world = Limited(limit(tokens=1000))
    world.call(max_tokens=500)
    world.last.answer(answer(None))
    assert 1000 - PROMPT - 100 < world.tokens_left() < 1000 - PROMPT
    world.call(max_tokens=3)
    before = world.tokens_left()
    world.last.answer(answer(None))
    assert world.tokens_left() >= before - 10


def test_more_than_a_minute_has() -> None:
    """A call that asks for more than the whole limit gets in when it is the first, and nobody beside it."""
    world = Limited(limit(tokens=100))
    call, client = world.call(max_tokens=5000)
    assert not client.status
    assert world.admitted("bob") == [False]
    world.last.answer(answer(11, 7))
    assert call.usage is not None
    assert world.call(max_tokens=5000)[1].status == 429
    assert world.tokens_left() == 82


def test_limits_change_with_the_rules() -> None:
    """Other rules hold from the next call on, and what was counted stays."""
    world = Limited(limit(1))
    assert world.admitted("ann", "ann") == [True, False]
    snapshot = world.snapshot.current()
    chat = structs.replace(snapshot.endpoints["chat"], rules=AiGateway(rate_limits=[limit(3)]))
    world.snapshot.swap(structs.replace(snapshot, endpoints={**snapshot.endpoints, "chat": chat}))
    assert world.admitted("ann", "ann", "ann") == [True, True, False]


def test_without_limits_nothing_is_counted() -> None:
    """An endpoint without limits does not touch the table, and its answers have no such headers."""
    world = World()
    world.counters.take = None  # type: ignore[assignment,method-assign]
    _, client = world.ask()
    world.last.answer(answer(1, 1))
    assert client.status == 200
    assert b"x-ratelimit" not in client.headers


def test_estimates() -> None:
    """Characters by four, rounded up after one is added, tokens as they are, and the bound of each choice."""
    world = Limited(limit(tokens=10_000_000))
    sent = [{"role": "user", "content": "12345678"}, {"role": "user", "content": [{"type": "text", "text": "1234"}]}]
    cases: list[tuple[dict[str, Any], int]] = [
        ({"max_tokens": 5, "n": 3}, 4 + 15),
        ({"max_completion_tokens": 7}, 4 + 7),
        ({}, 4 + UNBOUNDED_ANSWER),
    ]
    for fields, expected in cases:
        before = world.tokens_left()
        call, client = world.call(messages=sent, **fields)
        world.last.answer(answer(0))
        assert before - int(told(client)["x-ratelimit-remaining-tokens"]) == expected
        assert call.ended
    assert estimate(CompletionRequest(CompletionParams(["1234", [1, 2, 3]], max_tokens=10, n=2), {})) == (5, 40)
    assert estimate(EmbeddingRequest(EmbeddingParams("12345678"), {})) == (3, 0)
