"""Answers that are judged are sent when they may be, whole or streamed, or are errors."""

from __future__ import annotations

import json

import pytest
from msgspec import structs

from cloche.domain.ai_gateway import AiGateway, Coalescing, Fallback, Guardrails, Hedging, Pii, UsageTracking
from cloche.domain.errors import ProviderTimeout
from cloche.gateway.admission import Admission
from cloche.gateway.coalescing import Flights
from cloche.gateway.judged_answer import MAX_STREAM
from cloche.gateway.pipeline import Gateway
from cloche.gateway.recording import Recorder
from cloche.guardrails.guard import guards_of

from .scripted import TOKEN_KEY
from .test_attempts import run, turn
from .test_guarding import answer, delta, on_filtering_path, said, stream, user
from .test_judging import EMAIL, HATE, PASSES, SAFE, TOPIC, judged, of_judge, record, told, verdict


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("hedged", [False, True])
def test_an_answer_is_judged_before_any_of_it_is_sent(streams: bool, hedged: bool) -> None:
    """It is passed on as it came, with its head; or it is an error, and what it took is counted all the same."""

    async def main() -> None:
        rules = AiGateway(
            hedging_config=Hedging(5.0) if hedged else None,
            fallback_config=Fallback(True),
            usage_tracking_config=UsageTracking(True),
        )
        for judgement in (PASSES, HATE):
            world = judged(rules=rules, output=structs.replace(SAFE, pii=Pii("MASK")))
            _, client = world.ask(stream=streams, messages=[user("one"), user("two")])
            model = world.last
            if streams:
                usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}
                model.head()
                for event in (delta(role="assistant", content=""), delta(content="mail "), delta(content=EMAIL)):
                    model.receiver.on_data(stream(event, done=False))
                model.receiver.on_data(stream(delta("stop"), usage))
            else:
                model.answer(answer(content=f"mail {EMAIL}"))
            assert (client.wholes, client.begun) == (0, 0)
            assert of_judge(world.last)
            assert json.loads(world.last.body["messages"][1]["content"]) == [
                {"role": "user", "text": "two"},
                {"role": "assistant", "text": "mail <EMAIL_ADDRESS>"},
            ]
            world.last.answer(verdict(judgement))
            assert client.over
            if judgement is HATE:
                assert told(client)["output_guardrail"][0]["category_scores"] == {"hate": 0.9}
                assert record(world).detail == "output guardrail triggered: safety"
            elif streams:
                assert (client.status, said(client)) == (200, "mail <EMAIL_ADDRESS>")
                assert client.events[-1] == "[DONE]"
            else:
                assert client.json["choices"][0]["message"]["content"] == "mail <EMAIL_ADDRESS>"
            assert b"served-model-name: " in client.headers
            assert record(world).input_tokens == 3
            assert record(world).entity in ("first", "second")
            assert (model.cancelled, world.idle) == (0, True)

    run(main)


@pytest.mark.parametrize("streams", [False, True])
def test_a_provider_that_fails_is_recovered_and_not_judged(streams: bool) -> None:
    """The next entity answers; a stream that breaks off later is a whole error, because nothing of it was sent."""

    async def main() -> None:
        world = judged(rules=AiGateway(fallback_config=Fallback(True)), output=SAFE)
        _, client = world.ask(stream=streams)
        world.last.answer(b'{"error": {"message": "busy"}}', status=503)
        await turn()
        assert len(world.calls) == 2
        if streams:
            world.last.head()
            world.last.receiver.on_data(stream(delta(content="one"), done=False))
            world.last.receiver.on_failure(ProviderTimeout("the provider fell silent"))
            assert (client.status, client.wholes, client.begun) == (504, 1, 0)
        else:
            world.last.answer(answer(content="yes"))
            world.last.answer(verdict(PASSES))
            assert client.status == 200
        assert b"cloche-attempts: " in client.headers
        assert world.idle

    run(main)


@pytest.mark.parametrize("streams", [False, True])
def test_on_newer_paths_a_judged_block_is_a_filtered_answer(streams: bool) -> None:
    """Whichever side is judged."""

    async def main() -> None:
        for side in ("input", "output"):
            world = judged(input=SAFE) if side == "input" else judged(output=SAFE)
            client = on_filtering_path(world, stream=streams)
            if side == "output" and streams:
                world.last.head()
                world.last.receiver.on_data(stream(delta(content="yes"), delta("stop")))
            elif side == "output":
                world.last.answer(answer(content="yes"))
            world.last.answer(verdict(HATE))
            assert (client.status, client.over) == (200, True)
            choice = (client.events[-2] if streams else client.json)["choices"][0]
            assert choice["finish_reason"] == "content_filter"
            assert (record(world).error_code, world.idle) == ("BAD_REQUEST", True)

    run(main)


def test_a_stream_that_is_too_long_to_be_judged() -> None:
    """It is refused, and its provider stopped: nobody has looked at it."""

    async def main() -> None:
        world = judged(output=SAFE)
        _, client = world.ask(stream=True)
        world.last.head()
        piece = stream(delta(content="x" * 65536), done=False)
        for _ in range(MAX_STREAM // len(piece) + 1):
            world.last.receiver.on_data(piece)
        assert told(client)["output_guardrail"][0]["categories"] == {"unreadable": True}
        assert (world.last.cancelled, world.idle) == (1, True)

    run(main)


def test_topics_of_answers_without_a_judge() -> None:
    """All of the answer is looked at, also of a stream."""

    async def main() -> None:
        for text, blocked in (("green tea", False), ("cats", True)):
            world = judged(output=TOPIC)
            snapshot = world.snapshot.current()
            plain = structs.replace(snapshot.endpoints["chat"], guards=guards_of(Guardrails(output=TOPIC)))
            world.snapshot.swap(structs.replace(snapshot, endpoints={**snapshot.endpoints, "chat": plain}))
            _, client = world.ask(stream=True)
            world.last.head()
            world.last.receiver.on_data(stream(*(delta(content=each) for each in text), delta("stop")))
            if blocked:
                assert told(client)["output_guardrail"][0]["categories"] == {"valid_topics": True}
            else:
                assert said(client) == text
            assert world.idle

    run(main)


def test_calls_that_are_answered_together_are_judged_each() -> None:
    """On its own path and in its own words, whoever was asked."""

    async def main() -> None:
        world = judged(rules=AiGateway(coalescing_config=Coalescing(True)), output=SAFE)
        lasting = world.lasting._replace(flights=Flights())
        send = world._send
        world.gateway = Gateway(world.snapshot, Admission(TOKEN_KEY), send, Recorder(world.records.append), lasting)
        clients = [world.ask(temperature=0)[1] for _ in range(2)]
        assert len(world.calls) == 1
        world.last.answer(answer(content="yes"))
        first, second = world.calls[1:]
        first.answer(verdict(PASSES))
        second.answer(verdict(HATE))
        assert [client.status for client in clients] == [200, 400]
        assert sorted(each.input_tokens or 0 for each in world.records if each.endpoint == "chat") == [0, 3]
        assert world.idle

    run(main)
