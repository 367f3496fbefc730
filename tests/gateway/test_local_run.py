"""Calls on a local model: each waits for its place, makes its choices there, and gives it back however it ends."""

from __future__ import annotations

import pytest

from cloche.domain.errors import NotReady, ProviderBroken, ProviderTimeout, ProviderUnreachable
from providers import engine_answers
from providers.engine_answers import answer

from .scripted import JSON_HEAD, STREAM_HEAD, World


def test_a_whole_answer() -> None:
    """The engine is asked for a stream, and the client gets it in one piece."""
    world = World()
    _, client = world.ask("local", max_tokens=5)
    assert world.last.body["stream"] is True
    assert world.last.timeouts.first_byte == 7.0
    assert world.slots.running == 1
    world.last.answer(answer("The", " capital"), headers=STREAM_HEAD)
    assert client.json["choices"][0]["message"] == {"role": "assistant", "content": "The capital"}
    assert client.json["usage"]["prompt_tokens_details"] == {"cached_tokens": 41}
    assert (client.json["model"], client.headers) == ("local", b"served-model-name: own\r\n")
    assert client.over
    assert world.idle
    [record] = world.records
    assert (record.input_tokens, record.output_tokens, record.entity) == (42, 4, "own")


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("texts", [("The", " end"), ()], ids=["text", "no text"])
def test_a_stream(separate: bool, texts: tuple[str, ...]) -> None:
    """A stream says once who speaks, then the text, then why it ends with the usage; usage alone only on demand."""
    world = World()
    _, client = world.ask("local", stream=True, stream_options={"include_usage": separate})
    world.last.answer(answer(*texts), headers=STREAM_HEAD)
    first, *middle, last = client.events[: -2 if separate else -1]
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [each["choices"][0]["delta"]["content"] for each in middle] == list(texts)
    assert (last["choices"][0]["finish_reason"], "usage" in last) == ("stop", not separate)
    assert client.events[-1] == "[DONE]"
    if separate:
        assert (client.events[-2]["choices"], client.events[-2]["usage"]["total_tokens"]) == ([], 46)
    assert client.over
    assert world.idle


@pytest.mark.parametrize("stream", [False, True])
def test_several_choices(stream: bool) -> None:
    """Each choice is a request of its own, one after another; the prompt is counted once, the answers are added up."""
    world = World(parallel=4)
    _, client = world.ask("local", n=3, stream=stream, seed=5)
    for index in range(3):
        assert (len(world.calls), world.slots.running) == (index + 1, 1)
        world.last.answer(answer(f"number {index}"), headers=STREAM_HEAD)
    assert [outbound.body["seed"] for outbound in world.calls] == [5, 6, 7]
    if stream:
        last = client.events[-2]
        texts = {
            each["choices"][0]["index"]: each["choices"][0]["delta"]["content"]
            for each in client.events[:-1]
            if each["choices"][0]["delta"].get("content")
        }
    else:
        last = client.json
        texts = {choice["index"]: choice["message"]["content"] for choice in last["choices"]}
    assert texts == {index: f"number {index}" for index in range(3)}
    assert last["usage"]["prompt_tokens"] == 42
    assert last["usage"]["completion_tokens"] == 12
    assert world.records[0].output_tokens == 12
    assert client.over
    assert world.idle


def test_a_call_takes_one_place_however_many_choices_it_has() -> None:
    """Choices neither fill the queue nor wait in it: once the call has begun, no deadline of the queue can end it."""
    world = World(parallel=1, queue=1)
    _, client = world.ask("local", n=5)
    assert (world.slots.running, world.slots.waiting) == (1, 0)
    _, other = world.ask("local")
    for number in range(5):
        assert len(world.calls) == number + 1
        world.last.answer(answer("a"), headers=STREAM_HEAD)
        if number == 0:
            world.clock.ring()
    assert other.status == 429
    assert len(client.json["choices"]) == 5
    assert world.idle


def test_a_full_queue() -> None:
    """A call that finds no place to wait is told when to return, and leaves nothing behind."""
    world = World(parallel=1, queue=1)
    _, running = world.ask("local")
    _, waiting = world.ask("local", n=2)
    _, client = world.ask("local", n=2)
    assert client.status == 429
    assert b"retry-after: " in client.headers
    assert (world.slots.running, world.slots.waiting) == (1, 1)
    for _ in range(3):
        world.last.answer(answer("a"), headers=STREAM_HEAD)
    assert (running.status, waiting.status) == (200, 200)
    assert world.idle


def test_waiting_too_long() -> None:
    """A call that waits too long for its place is a 429, and its place in the queue is gone."""
    world = World(parallel=1)
    world.ask("local")
    _, client = world.ask("local")
    world.clock.ring()
    assert client.status == 429
    assert world.slots.waiting == 0
    world.calls[0].answer(answer("a"), headers=STREAM_HEAD)
    assert world.idle
    assert sorted(record.status for record in world.records) == [200, 429]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("parallel", [1, 2])
def test_hanging_up(stream: bool, begun: bool, parallel: int) -> None:
    """A client that goes away frees its place and cancels the choice that is under way, once."""
    world = World(parallel=parallel)
    call, _ = world.ask("local", n=2, stream=stream)
    world.calls[0].head()
    if begun:
        world.calls[0].receiver.on_data(answer("a")[:500])
    call.hang_up()
    call.hang_up()
    assert [outbound.cancelled for outbound in world.calls] == [1]
    assert world.idle
    assert [record.outcome for record in world.records] == ["cancelled"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "body", "expected", "message"),
    [
        (400, engine_answers.CONTEXT_EXCEEDED, 400, "messages: the prompt has 2531 tokens"),
        (400, engine_answers.BAD_SCHEMA, 400, "the engine cannot do this: JSON schema error"),
        (500, b"oops", 502, "the engine answered 500"),
    ],
)
def test_refusals(stream: bool, status: int, body: bytes, expected: int, message: str) -> None:
    """A refusal of one choice fails the call, and the other choice is never asked for."""
    world = World()
    _, client = world.ask("local", n=2, stream=stream)
    world.calls[0].answer(body, status, JSON_HEAD)
    assert client.status == expected
    assert client.json["message"].startswith(message)
    assert len(world.calls) == 1
    assert client.over
    assert world.idle


def test_a_choice_that_fails_makes_no_room_for_the_others() -> None:
    """When one choice fails, those of the same call that still wait are never sent to the engine."""
    for fail in ("refused", "broken", "died"):
        world = World(parallel=1)
        _, client = world.ask("local", n=3)
        if fail == "refused":
            world.last.answer(b"no", 500)
        elif fail == "broken":
            world.last.answer(b"", headers=STREAM_HEAD)
        else:
            world.last.head()
            world.last.receiver.on_failure(ProviderBroken("cut"))
        assert client.status == (503 if fail == "died" else 502)
        assert len(world.calls) == 1
        assert world.idle


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize(
    ("problem", "code", "stalls"),
    [
        (ProviderBroken("cut"), "INTERNAL_ERROR", 0),
        (ProviderTimeout("late"), "DEADLINE_EXCEEDED", 1),
        (ProviderUnreachable("gone"), "TEMPORARILY_UNAVAILABLE", 0),
    ],
)
def test_failures(stream: bool, begun: bool, problem: ProviderBroken, code: str, stalls: int) -> None:
    """An engine that dies or is stuck fails the call, in the stream once that has begun, and is reported if stuck."""
    world = World()
    _, client = world.ask("local", n=2, stream=stream)
    world.calls[0].head()
    if begun:
        world.calls[0].receiver.on_data(answer("a")[:500])
    world.calls[0].receiver.on_failure(problem)
    assert world.engine.stalls == stalls
    assert client.over
    assert world.idle
    assert len(world.calls) == 1
    if code == "INTERNAL_ERROR" and not client.begun:
        code = "TEMPORARILY_UNAVAILABLE"
    [record] = world.records
    assert (record.outcome, record.error_code) == ("error", code)
    if client.begun:
        assert client.events[-2]["error_code"] == code
    else:
        assert client.json["error_code"] == code


@pytest.mark.parametrize("problem", [ProviderBroken("cut"), ProviderUnreachable("gone")])
@pytest.mark.parametrize("said", [b"", answer("a")[:500]], ids=["silent", "mid-answer"])
def test_an_engine_that_is_dying(problem: ProviderBroken, said: bytes) -> None:
    """An engine that is lost before the client has got anything is restarting: callers may come back."""
    world = World()
    _, client = world.ask("local")
    if said:
        world.last.head()
        world.last.receiver.on_data(said)
    world.last.receiver.on_failure(problem)
    assert (client.status, client.json["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert b"retry-after: 1\r\n" in client.headers
    assert world.idle


@pytest.mark.parametrize("tail", [b"", b"data: {\n\n", engine_answers.raw(engine_answers.ERROR)])
def test_answers_that_break_off(tail: bytes) -> None:
    """An answer without an end, or with an error in it, is an error however much came before."""
    world = World()
    _, client = world.ask("local")
    world.last.answer(answer("a")[:500] + tail, headers=STREAM_HEAD)
    assert client.status == 502
    assert client.over
    assert world.idle


def test_an_engine_that_is_not_ready() -> None:
    """While the engine loads, callers are told when to return, and nothing is queued."""
    world = World()
    world.engine.problem = NotReady("loading", retry_after=3)
    _, client = world.ask("local")
    assert (client.status, client.headers) == (503, b"served-model-name: own\r\nretry-after: 3\r\n")
    assert world.calls == []
    assert world.idle


def test_what_the_model_cannot_do() -> None:
    """A request that the model cannot answer is refused before it takes a place."""
    world = World()
    _, client = world.ask("local", thinking={"type": "enabled"})
    assert client.status == 400
    assert world.calls == []
    assert world.idle


def test_a_slow_client_holds_every_choice_back() -> None:
    """Pausing reaches the choice that is under way, and the next one, which begins while the client is slow."""
    world = World(parallel=1)
    call, _ = world.ask("local", n=2, stream=True)
    call.slow()
    assert world.last.paused
    world.last.answer(answer("a"), headers=STREAM_HEAD)
    assert [outbound.paused for outbound in world.calls] == [True, True]
    call.caught_up()
    assert not world.last.paused


def test_a_client_that_is_slow_while_it_waits() -> None:
    """A call that was paused in the queue starts paused."""
    world = World(parallel=1)
    world.ask("local")
    call, _ = world.ask("local", stream=True)
    call.slow()
    world.last.answer(answer("a"), headers=STREAM_HEAD)
    assert len(world.calls) == 2
    assert world.last.paused


@pytest.mark.parametrize("way", ["hang up", "refused", "lost"])
def test_only_answers_say_how_long_answers_take(way: str) -> None:
    """A client that hangs up, a refusal and a dying engine change nothing in what other callers are told."""
    world = World(parallel=1, queue=0)
    call, _ = world.ask("local")
    world.clock.now = 50.0
    if way == "hang up":
        call.hang_up()
    elif way == "refused":
        world.last.answer(engine_answers.BAD_SCHEMA, 400, JSON_HEAD)
    else:
        world.last.receiver.on_failure(ProviderBroken("cut"))
    world.ask("local")
    assert b"retry-after: 1\r\n" in world.ask("local")[1].headers
    world.clock.now = 70.0
    world.last.answer(answer("a"), headers=STREAM_HEAD)
    world.ask("local")
    assert b"retry-after: 20\r\n" in world.ask("local")[1].headers
