"""What is kept of calls whose endpoint has an inference table."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from cloche.codec import sse
from cloche.domain.ai_gateway import AiGateway, GuardrailParameters, Guardrails, InferenceTable, Pii, UsageTracking
from cloche.domain.payload import REQUEST_TOO_LARGE, RESPONSE_TOO_LARGE, PayloadRow, TableName
from cloche.gateway import payloads as payloads_module
from cloche.gateway.payloads import Payloads, row
from cloche.gateway.pipeline import Gateway
from cloche.gateway.recording import Recorder
from cloche.gateway.tracking import Ledger
from cloche.guardrails.guard import guards_of

from .scripted import World

TABLE = InferenceTable("main", "logs", "all", enabled=True)
EMAIL, MASKED = "bob@example.com", "<EMAIL_ADDRESS>"
LIMIT = 10_000


class Kept(World):
    """A world whose endpoint `chat` has an inference table, and what is kept."""

    def __init__(self, limit: int = LIMIT, **rules: Any) -> None:
        super().__init__()
        self.payloads = Payloads(limit)
        self.ledger = Ledger(self.snapshot, "1")
        recorder = Recorder(self.records.append, self.ledger, self.payloads)
        lasting = self.lasting._replace(payloads=self.payloads)
        self.gateway = Gateway(self.snapshot, self.gateway._admission, self._send, recorder, lasting)
        made = AiGateway(**{"inference_table_config": TABLE} | rules)
        snapshot = self.snapshot.current()
        chat = structs.replace(snapshot.endpoints["chat"], rules=made, guards=guards_of(made.guardrails))
        self.snapshot.swap(structs.replace(snapshot, endpoints={**snapshot.endpoints, "chat": chat}))

    def rows(self) -> list[PayloadRow]:
        """What would be written."""
        taken = self.payloads.take(1000, 1 << 30)
        assert all(each.table == TableName("main", "logs", "all_payload") for each in taken)
        return [row(each, self.payloads.limit) for each in taken]


def answer(text: str) -> bytes:
    """A provider's whole answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"id": "1", "choices": [choice]}).encode()


def events(*texts: str) -> bytes:
    """A provider's stream."""
    told: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} for text in texts
    ]
    told.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return sse.encode_all([*(json.dumps(each).encode() for each in told), sse.DONE])


def test_a_call_is_kept_as_it_was() -> None:
    """The row has the request with fields that cloche does not know, and the very bytes of the answer."""
    world = Kept()
    call, client = world.ask(client_request_id="mine", unknown={"a": [1.5]})
    world.last.answer(answer("héllo"))
    [made] = world.rows()
    assert made.databricks_request_id == call.id
    assert (made.client_request_id, made.status_code, made.requester) == ("mine", 200, "ann")
    assert made.request is not None
    assert '"unknown":{"a": [1.5]}' in made.request
    assert made.response == client.body.decode()
    assert made.served_entity_id
    assert made.logging_error_codes == []


def test_a_stream_is_kept_as_its_answer() -> None:
    """The row of a stream has the answer put together, and the client has the stream."""
    world = Kept(usage_tracking_config=UsageTracking(enabled=True))
    _, client = world.ask(stream=True)
    world.last.head()
    for piece in (events("a", "b"),):
        world.last.receiver.on_data(piece)
    [made] = world.rows()
    assert json.loads(made.response or "")["choices"][0]["message"]["content"] == "ab"
    assert client.events[-1] == "[DONE]"
    [counted] = world.ledger.take(10)
    assert counted.output_character_count == 2


def test_errors_and_hung_up_calls_are_kept() -> None:
    """What the client was told of a failure is the answer; who left before one came has none."""
    world = Kept()
    world.ask()
    world.last.answer(b'{"error": {"message": "no"}}', 400)
    call, _ = world.ask()
    call.hang_up()
    failed, left = world.rows()
    assert (failed.status_code, json.loads(failed.response or "")["error_code"]) == (400, "BAD_REQUEST")
    assert (left.status_code, left.response) == (499, None)


@pytest.mark.parametrize("streams", [False, True])
def test_what_is_masked_is_kept_masked(streams: bool) -> None:
    """Personal data that guards mask comes into no row, neither from the request nor from the answer."""
    mask = GuardrailParameters(pii=Pii("MASK"))
    world = Kept(guardrails=Guardrails(mask, mask))
    world.ask(stream=streams, messages=[{"role": "user", "content": f"I am {EMAIL}"}])
    if streams:
        world.last.head()
        world.last.receiver.on_data(events("write to bob@exam", "ple.com now"))
    else:
        world.last.answer(answer(f"write to {EMAIL} now"))
    [made] = world.rows()
    assert made.request is not None
    assert made.response is not None
    assert EMAIL not in made.request + made.response
    assert f"I am {MASKED}" in made.request
    assert f"write to {MASKED} now" in made.response


def test_what_is_blocked_is_not_kept() -> None:
    """A request or an answer that a guard blocks leaves the error alone."""
    block = GuardrailParameters(pii=Pii("BLOCK"))
    world = Kept(guardrails=Guardrails(block, block))
    world.ask(messages=[{"role": "user", "content": f"I am {EMAIL}"}])
    world.ask()
    world.last.answer(answer(f"write to {EMAIL}"))
    asked, answered = world.rows()
    assert asked.request is None
    assert answered.request is not None
    for made in (asked, answered):
        assert made.status_code == 400
        assert EMAIL not in (made.response or "")


@pytest.mark.parametrize("streams", [False, True])
def test_what_is_too_large_is_told_of(streams: bool) -> None:
    """Over the limit a column is empty and the row says why; the client gets everything, and usage counts it."""
    world = Kept(usage_tracking_config=UsageTracking(enabled=True))
    _, client = world.ask(stream=streams, messages=[{"role": "user", "content": "q" * LIMIT}])
    if streams:
        world.last.head()
        world.last.receiver.on_data(events("a" * LIMIT, "b"))
    else:
        world.last.answer(answer("a" * LIMIT + "b"))
    [made] = world.rows()
    assert (made.request, made.response) == (None, None)
    assert made.logging_error_codes == [REQUEST_TOO_LARGE, RESPONSE_TOO_LARGE]
    assert b"a" * LIMIT in client.body
    [counted] = world.ledger.take(10)
    assert counted.output_character_count == LIMIT + 1


def test_what_waits_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls beyond the bound are lost and counted, whoever takes is hurried before, and what is taken makes room."""
    monkeypatch.setattr(payloads_module, "MAX_WAITING", 10_000)
    monkeypatch.setattr(payloads_module, "HURRY", 5_000)
    world = Kept()
    for number in range(6):
        assert world.payloads.due.is_set() == (number > 2)
        world.ask()
        world.last.answer(answer("a"))
    assert (len(world.payloads), world.payloads.lost) == (4, 2)
    assert len(world.rows()) == 4
    world.ask()
    world.last.answer(answer("a"))
    assert len(world.rows()) == 1


def test_off_costs_nothing() -> None:
    """An endpoint whose table is disabled keeps nothing, and nothing stands between its calls and their clients."""
    world = Kept(inference_table_config=structs.replace(TABLE, enabled=False))
    call, client = world.ask()
    assert call.logged is None
    assert call.reply is client
    world.last.answer(answer("a"))
    assert len(world.payloads) == 0
