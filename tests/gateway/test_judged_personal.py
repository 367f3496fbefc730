"""Personal data that a judge quotes is masked or refused like what patterns find, whatever is asked and answered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cloche.codec import sse
from cloche.domain.ai_gateway import AiGateway, GuardrailParameters, InferenceTable, Pii
from cloche.gateway.admission import Admission
from cloche.gateway.payloads import Payloads, row
from cloche.gateway.pipeline import Gateway
from cloche.gateway.recording import Recorder

from .scripted import TOKEN_KEY
from .test_attempts import run
from .test_guarding import answer, delta, deltas, said, stream, user
from .test_judging import EMAIL, JUDGE, judged, of_judge, record, told, verdict

MASK, BLOCK = (GuardrailParameters(pii=Pii(behavior, judged=True)) for behavior in ("MASK", "BLOCK"))
ALLOWS = structs.replace(JUDGE, on_failure="allow")


def quoting(**kinds: str) -> bytes:
    """A judge's answer: quotes by kind."""
    return verdict(json.dumps({"personal_data": [{"text": text, "kind": kind} for kind, text in kinds.items()]}))


NOTHING = quoting()


def test_what_the_judge_quotes_is_masked_in_what_is_asked() -> None:
    """In every text, besides what patterns find, which the judge does not see; it is told the kinds."""

    async def main() -> None:
        world = judged(input=MASK)
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"who": "ann lee", "n": 2}'}}
        messages = [
            user([{"type": "text", "text": f"I am Ann Lee, {EMAIL}", "mark": 7}]),
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "Born 1 May 1980"},
        ]
        _, client = world.ask(messages=messages, user="Ann Lee")
        asked = world.last.body
        assert EMAIL not in json.dumps(asked)
        schema = asked["response_format"]["json_schema"]["schema"]
        assert schema["required"] == ["personal_data"]
        kinds = schema["properties"]["personal_data"]["items"]["properties"]["kind"]["enum"]
        assert kinds[:3] == ["PERSON", "LOCATION", "DATE_TIME"]
        assert "- PERSON: " in asked["messages"][0]["content"]
        world.last.answer(quoting(PERSON="Ann Lee", DATE_TIME="1 May 1980", OTHER="<EMAIL_ADDRESS>"))
        sent = world.last.body["messages"]
        assert sent[0]["content"] == [{"type": "text", "text": "I am <PERSON>, <EMAIL_ADDRESS>", "mark": 7}]
        assert json.loads(sent[1]["tool_calls"][0]["function"]["arguments"]) == {"who": "<PERSON>", "n": 2}
        assert (sent[2]["content"], world.last.body["user"]) == ("Born <DATE_TIME>", "Ann Lee")
        world.last.answer(answer(content="yes"))
        assert (client.status, world.idle) == (200, True)

    run(main)


def test_nothing_found_changes_nothing() -> None:
    """What is asked goes on in its own bytes."""

    async def main() -> None:
        world = judged(input=MASK)
        world.ask(raw=b'{"messages": [ {"content":"h\\u0069", "role":"user"} ]}')
        world.last.answer(NOTHING)
        assert b'[ {"content":"h\\u0069", "role":"user"} ]' in b"".join(bytes(each) for each in world.last.call.body)

    run(main)


def test_what_the_judge_quotes_is_refused() -> None:
    """As patterns refuse: in the same words, and with what was asked told without it."""

    async def main() -> None:
        world = judged(input=BLOCK)
        _, client = world.ask(messages=[user("I am Ann Lee")])
        world.last.answer(quoting(PERSON="Ann Lee"))
        [flagged] = told(client)["input_guardrail"]
        assert (flagged["flagged"], flagged["pii_detection"]) == (False, True)
        assert flagged["anonymized_input"] == [user("I am <PERSON>")]
        assert record(world).detail == "input guardrail triggered: pii"
        world.ask(messages=[user("I am nobody")])
        world.last.answer(NOTHING)
        assert not of_judge(world.last)
        world.last.answer(answer(content="yes"))
        world = judged(output=BLOCK)
        _, client = world.ask()
        world.last.answer(answer(content="She is Ann Lee"))
        world.last.answer(quoting(PERSON="Ann Lee"))
        assert told(client)["output_guardrail"][0]["pii_detection"]
        assert "Ann" not in json.dumps(client.json)
        assert world.idle

    run(main)


NO_VERDICTS = [
    '{"personal_data": [{"text": "Ann Lee", "kind": "CAT"}]}',
    '{"personal_data": [{"text": "Ann Lee"}]}',
    '{"personal_data": ["Ann Lee"]}',
    '{"personal_data": [{"text": "Bob Fox", "kind": "PERSON"}, {"text": "Ann Lee", "kind": "PERSON"}]}',
    '{"violations": []}',
    json.dumps({"personal_data": [{"text": "Ann Lee", "kind": "PERSON"}] * 201}),
]


@pytest.mark.parametrize("text", NO_VERDICTS)
def test_a_verdict_about_what_was_not_said_is_none(text: str) -> None:
    """Nor is one of another shape.  Where failures let pass, what is quoted rightly beside it is masked."""

    async def main() -> None:
        world = judged(input=MASK)
        _, client = world.ask(messages=[user("I am Ann Lee")])
        world.last.answer(verdict(text))
        assert told(client)["input_guardrail"][0]["categories"] == {"judge_failed": True}
        world = judged(ALLOWS, input=MASK)
        world.ask(messages=[user("I am Ann Lee")])
        world.last.answer(verdict(text))
        assert not of_judge(world.last)
        name = "<PERSON>" if "Bob" in text else "Ann Lee"
        assert world.last.body["messages"] == [user(f"I am {name}")]

    run(main)


def test_what_cannot_be_masked_text_by_text_is_refused() -> None:
    """An address in two parts, quoted as one."""

    async def main() -> None:
        world = judged(input=MASK)
        _, client = world.ask(messages=[user([{"type": "text", "text": each} for each in ("12 High Street", "Leeds")])])
        world.last.answer(quoting(LOCATION="12 High Street\nLeeds"))
        assert told(client)["input_guardrail"][0]["pii_detection"]
        assert world.idle

    run(main)


def test_a_conversation_that_ends_with_the_model_is_judged_as_a_whole() -> None:
    """Whoever puts words into the model's mouth does not keep the judge from the others."""

    async def main() -> None:
        world = judged(input=MASK)
        world.ask(messages=[user("I am Ann Lee"), {"role": "assistant", "content": "Sure"}])
        assert "what was said" in world.last.body["messages"][0]["content"]
        world.last.answer(quoting(PERSON="Ann Lee"))
        assert world.last.body["messages"][0] == user("I am <PERSON>")

    run(main)


def test_the_answer_that_the_page_asks_for_is_a_verdict() -> None:
    """docs/guardrails.md says what a service must answer; with its rules, and then with `personal_data` alone."""
    page = (Path(__file__).parents[2] / "docs/guardrails.md").read_text()
    [example] = [each for each in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if '"personal_data"' in each]

    async def main() -> None:
        for safety in (True, False):
            answered = json.loads(example)
            assert set(answered) == {"violations", "on_topic", "personal_data"}
            rules = structs.replace(BLOCK, safety=safety, valid_topics=["x"] if safety else None)
            world = judged(input=rules)
            _, client = world.ask(messages=[user("I am Ann Lee, born 1 May 1980")])
            asked = world.last.body["response_format"]["json_schema"]["schema"]["required"]
            kept = {name: value for name, value in answered.items() if name in asked}
            assert list(kept) == asked
            world.last.answer(verdict(json.dumps(kept)))
            flagged = told(client)["input_guardrail"][0]
            assert flagged["categories"] == ({"privacy": True} if safety else None)
            assert flagged["anonymized_input"] == [user("I am <PERSON>, born <DATE_TIME>")]

    run(main)


def test_nobody_repeats_what_was_not_looked_at() -> None:
    """A call that is refused before the judge has looked is told none of its words, which are kept in tables too."""

    async def main() -> None:
        world = judged(input=structs.replace(MASK, invalid_keywords=["falcon"]))
        for text in ("falcon of Ann Lee", "Ann Lee"):
            _, client = world.ask(messages=[user(text)])
            if world.calls:
                world.last.answer(verdict("what?"))
            assert told(client)["input_guardrail"][0]["anonymized_input"] == []

    run(main)


# ---------------------------------------------------------------- answers


def test_a_whole_answer_is_masked() -> None:
    """Its id, its finish reason and its usage stay; token records go, and what only the question has is nothing."""

    async def main() -> None:
        world = judged(output=MASK)
        _, client = world.ask(messages=[user("I am Ann Lee")])
        body = json.loads(answer(content=f"Write to Bob Fox, {EMAIL}"))
        body["choices"][0]["logprobs"] = {"content": [{"token": "Bob"}]}
        world.last.answer(json.dumps(body).encode())
        world.last.answer(quoting(PERSON="Ann Lee", OTHER="Bob Fox, <EMAIL_ADDRESS>"))
        told = client.json
        assert told["choices"][0]["message"]["content"] == "Write to <OTHER>"
        assert told["choices"][0]["logprobs"] is None
        assert (told["id"], told["usage"]) == (body["id"], body["usage"])
        assert told["choices"][0]["finish_reason"] == body["choices"][0]["finish_reason"]
        assert (record(world).input_tokens, world.idle) == (3, True)

    run(main)


def test_a_stream_is_masked_wherever_it_is_cut() -> None:
    """Arguments too; its finish reason and its usage stay."""

    async def main() -> None:
        text, usage = "Ask Ann Lee.", {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
        world = judged(output=MASK)
        for cut in range(len(text) + 1):
            _, client = world.ask(stream=True)
            world.last.head()
            calls = [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]
            rest = [{"index": 0, "function": {"arguments": each}} for each in ('{"a": "ann', ' lee"}')]
            events = [
                delta(role="assistant", content=""),
                *(delta(content=each) for each in (text[:cut], text[cut:])),
                *(delta(tool_calls=each) for each in (calls, rest[:1], rest[1:])),
                delta("tool_calls"),
                {"choices": [], "usage": usage},
            ]
            world.last.receiver.on_data(stream(*events))
            world.last.answer(quoting(PERSON="Ann Lee"))
            assert (client.status, said(client)) == (200, "Ask <PERSON>.")
            pieces = [each for told in deltas(client) for each in told.get("tool_calls", [])]
            assert "".join(each["function"].get("arguments", "") for each in pieces) == '{"a":"<PERSON>"}'
            chosen = [choice for event in client.events[:-1] for choice in event["choices"]]
            assert [each["finish_reason"] for each in chosen if each["finish_reason"]] == ["tool_calls"]
            assert (client.events[-1], client.events[-2]["usage"]) == ("[DONE]", usage)
            assert {event["id"] for event in client.events[:-1]} == {"1"}
        assert world.idle

    run(main)


def test_a_stream_without_personal_data_is_passed_on_as_it_came() -> None:
    """Event by event."""

    async def main() -> None:
        world = judged(output=MASK)
        _, client = world.ask(stream=True)
        world.last.head()
        sent = stream(*(delta(content=each) for each in ("one ", "two")), delta("stop"))
        world.last.receiver.on_data(sent)
        world.last.answer(NOTHING)
        assert len(client.events) == len(list(sse.Decoder().feed(sent)))

    run(main)


def test_what_is_kept_is_masked() -> None:
    """A request waits for its verdict before it is kept, and is not kept without one."""

    async def main() -> None:
        table = InferenceTable("main", "serving", "chat", enabled=True)
        for found in (True, False):
            world = judged(rules=AiGateway(inference_table_config=table), input=MASK, output=MASK)
            payloads = Payloads(1 << 20)
            lasting = world.lasting._replace(payloads=payloads)
            recorder = Recorder(world.records.append, payloads=payloads)
            world.gateway = Gateway(world.snapshot, Admission(TOKEN_KEY), world._send, recorder, lasting)
            world.ask(messages=[user("I am Ann Lee")])
            if found:
                world.last.answer(quoting(PERSON="Ann Lee"))
                world.last.answer(answer(content="Hi Ann Lee"))
                world.last.answer(quoting(PERSON="Ann Lee"))
            else:
                world.last.answer(verdict("what?"))
            [ended] = payloads.take(9, 1 << 20)
            kept: Any = row(ended, 1 << 20)
            assert "Ann" not in f"{kept.request}{kept.response}"
            assert (kept.request is not None and "<PERSON>" in kept.request) == found

    run(main)
