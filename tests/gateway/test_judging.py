"""A judge is asked before what it judges goes on, and whatever becomes of it, the call ends as the rules say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from cloche.domain.ai_gateway import (
    AiGateway,
    GuardrailParameters,
    Guardrails,
    Judge,
    Pii,
)
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import ProviderTimeout
from cloche.guardrails.guard import guards_of
from cloche.telemetry import CallRecord

from .scripted import Client, Outbound, World
from .test_attempts import run, turn
from .test_guarding import answer, user

SAFE = GuardrailParameters(safety=True)
TOPIC = GuardrailParameters(valid_topics=["tea"])
JUDGE = Judge("judge", timeout_seconds=0.1)
PASSES = '{"violations": []}'
HATE = '{"violations": [{"category": "hate", "score": 0.9}]}'
EMAIL = "bob@example.com"


def judged(judge: Judge = JUDGE, rules: AiGateway | None = None, **sides: GuardrailParameters) -> World:
    """A world whose endpoint `chat` has a judge."""
    world = World()
    settings = {"openai_api_key_plaintext": "sk", "openai_api_base": "http://judge.test/v1"}
    world.add("judge", ExternalModel("judge-model", "openai", "llm/v1/chat", settings))
    guardrails = Guardrails(sides.get("input"), sides.get("output"), judge)
    rules = structs.replace(rules or AiGateway(), guardrails=guardrails)
    snapshot = world.snapshot.current()
    chat = structs.replace(snapshot.endpoints["chat"], rules=rules, guards=guards_of(guardrails))
    world.snapshot.swap(structs.replace(snapshot, endpoints={**snapshot.endpoints, "chat": chat}))
    return world


def verdict(text: str, finish: str = "stop") -> bytes:
    """A judge's whole answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 45}
    return json.dumps({"id": "j", "choices": [choice], "usage": usage}).encode()


def of_judge(call: Outbound) -> bool:
    """Whether it was the judge that was asked."""
    return call.call.origin.host == "judge.test"


def told(client: Client) -> Any:
    """What a blocked call is answered."""
    assert (client.status, client.json["error_code"]) == (400, "BAD_REQUEST")
    return json.loads(client.json["message"])


def record(world: World) -> CallRecord:
    """Of the call that was judged."""
    return [each for each in world.records if each.endpoint == "chat"][-1]


# ---------------------------------------------------------------- what is asked


def test_what_may_be_asked_is_asked_after_the_judge() -> None:
    """Masked for both; the judge's call is counted as its own, by the same caller, and bears the id of the other."""

    async def main() -> None:
        sides = structs.replace(SAFE, pii=Pii("MASK"))
        world = judged(input=sides)
        call, client = world.ask(messages=[user(f"mail {EMAIL}")])
        assert [of_judge(each) for each in world.calls] == [True]
        asked = world.last.body
        assert asked["response_format"]["json_schema"]["strict"] is True
        assert json.loads(asked["messages"][1]["content"]) == [{"role": "user", "text": "mail <EMAIL_ADDRESS>"}]
        assert "on_topic" not in asked["response_format"]["json_schema"]["schema"]["properties"]
        world.last.answer(verdict(PASSES))
        assert not of_judge(world.last)
        assert world.last.body["messages"] == [user("mail <EMAIL_ADDRESS>")]
        world.last.answer(answer(content="yes"))
        assert (client.status, client.wholes) == (200, 1)
        of_judge_, of_call = world.records
        assert (of_judge_.endpoint, of_judge_.principal, of_judge_.input_tokens) == ("judge", "ann", 40)
        assert (of_judge_.client_request_id, of_call.request_id) == (call.id, call.id)
        assert (of_call.endpoint, of_call.input_tokens) == ("chat", 3)
        assert world.idle

    run(main)


@pytest.mark.parametrize("streams", [False, True])
def test_what_may_not_be_asked_is_a_400(streams: bool) -> None:
    """With the judge's categories and scores; nobody else is asked."""

    async def main() -> None:
        world = judged(input=SAFE)
        _, client = world.ask(messages=[user("x")], stream=streams)
        world.last.answer(verdict(HATE))
        [flagged] = told(client)["input_guardrail"]
        assert flagged == {
            "flagged": True,
            "categories": {"hate": True},
            "category_scores": {"hate": 0.9},
            "pii_detection": False,
            "anonymized_input": [user("x")],
        }
        assert len(world.calls) == 1
        assert record(world).detail == "input guardrail triggered: safety"
        assert world.idle

    run(main)


def test_topics_are_judged() -> None:
    """The judge is told them, and says whether they are met."""

    async def main() -> None:
        world = judged(input=TOPIC)
        _, client = world.ask()
        assert '["tea"]' in world.last.body["messages"][0]["content"]
        world.last.answer(verdict('{"on_topic": false}'))
        assert told(client)["input_guardrail"][0]["categories"] == {"valid_topics": True}
        world.ask()
        world.last.answer(verdict('{"on_topic": true}'))
        assert not of_judge(world.last)

    run(main)


def test_a_judge_of_the_other_format() -> None:
    """Gets the conversation as it is, and answers with codes."""

    async def main() -> None:
        world = judged(structs.replace(JUDGE, format="llama_guard"), input=SAFE)
        _, client = world.ask()
        assert world.last.body["messages"] == [user("hi")]
        world.last.answer(verdict("\n\nunsafe\nS1,S10"))
        assert told(client)["input_guardrail"][0]["category_scores"] == {"violent_crimes": 1.0, "hate": 1.0}
        world.ask()
        world.last.answer(verdict("\n\nsafe"))
        assert not of_judge(world.last)

    run(main)


NO_VERDICTS = [
    "safe",
    "{}",
    '{"violations": [], "on_topic": true, "more": 1}',
    '{"violations": [{"category": "rudeness", "score": 1}]}',
    '{"violations": [{"category": "hate", "score": 7}]}',
    '```json\n{"violations": []}\n```',
    "",
]


@pytest.mark.parametrize("text", NO_VERDICTS)
def test_what_is_no_verdict_is_a_failure(text: str) -> None:
    """It blocks, or lets pass if the rules say so: nothing is guessed."""

    async def main() -> None:
        world = judged(input=SAFE)
        _, client = world.ask()
        world.last.answer(verdict(text))
        assert told(client)["input_guardrail"][0]["categories"] == {"judge_failed": True}
        world = judged(structs.replace(JUDGE, on_failure="allow"), input=SAFE)
        world.ask()
        world.last.answer(verdict(text))
        assert not of_judge(world.last)

    run(main)


def test_a_verdict_that_was_cut_off_is_none() -> None:
    """Also where it can be read."""

    async def main() -> None:
        world = judged(input=SAFE)
        _, client = world.ask()
        world.last.answer(verdict(PASSES, "length"))
        assert told(client)["input_guardrail"][0]["categories"] == {"judge_failed": True}

    run(main)


def test_a_judge_that_fails_or_is_late() -> None:
    """Ends as the rules say, soon, and its call is stopped."""

    async def main() -> None:
        for on_failure in ("block", "allow"):
            for late in (False, True):
                world = judged(structs.replace(JUDGE, on_failure=on_failure), input=SAFE)
                _, client = world.ask()
                judge = world.last
                if late:
                    await turn(0.1)
                    assert judge.cancelled == 1
                else:
                    judge.receiver.on_failure(ProviderTimeout("slow"))
                if on_failure == "block":
                    assert told(client)["finishReason"] == "input_guardrail_triggered"
                else:
                    assert not of_judge(world.last)
                    world.last.answer(answer(content="yes"))
                    assert client.status == 200
                judge.answer(verdict(HATE))
                assert client.wholes == 1
                assert world.idle

    run(main)


def test_a_judge_that_is_gone() -> None:
    """Is a judge that fails."""

    async def main() -> None:
        world = judged(Judge("nobody"), input=SAFE)
        _, client = world.ask()
        assert told(client)["input_guardrail"][0]["categories"] == {"judge_failed": True}
        assert world.idle

    run(main)


def test_a_client_that_leaves_stops_the_judge() -> None:
    """While what is asked is judged, while it is answered, and while the answer is judged."""

    async def main() -> None:
        for steps in range(3):
            world = judged(input=SAFE, output=SAFE)
            call, _ = world.ask(stream=steps == 1)
            if steps > 0:
                world.last.answer(verdict(PASSES))
            if steps > 1:
                world.last.answer(answer(content="yes"))
            under_way, asked = world.last, len(world.calls)
            assert of_judge(under_way) == (steps != 1)
            call.hang_up()
            assert under_way.cancelled == 1
            assert (len(world.calls), record(world).outcome) == (asked, "cancelled")
            assert (record(world).entity is None) == (steps == 0)
            assert world.idle
            await turn(0.1)
            assert len(world.calls) == asked

    run(main)
