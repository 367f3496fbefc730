"""`Idempotency-Key`: one answer to one key, whoever waits, whatever dies, and for nobody else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cloche.domain.access import Level, Principal, digest
from cloche.domain.ai_gateway import (
    AiGateway,
    GuardrailParameters,
    Guardrails,
    InferenceTable,
    Pii,
    RateLimit,
    UsageTracking,
)
from cloche.gateway.admission import Admission
from cloche.gateway.call import Call
from cloche.gateway.kept_answers import FOLDER_BYTES, KEPT_SECONDS, MOST_BYTES, Claim, Kept, KeptAnswers, OtherRequest
from cloche.gateway.payloads import Payloads, row
from cloche.gateway.pipeline import Gateway
from cloche.gateway.recording import Recorder
from cloche.gateway.tracking import Ledger
from cloche.guardrails.guard import guards_of
from cloche.snapshot import Grant

from .scripted import ANN, TOKEN_KEY, Client, World
from .test_limits import DELTA, answer

BOB = Principal("8", "bob")
REPLAY = b"cloche-idempotent-replay: true\r\n"
END = b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class Keyed(World):
    """A world that keeps answers, and in which two people may ask."""

    def __init__(self, folder: Path, rules: AiGateway | None = None) -> None:
        super().__init__()
        snapshot = self.snapshot.current()
        if rules is not None:
            chat = structs.replace(snapshot.endpoints["chat"], rules=rules, guards=guards_of(rules.guardrails))
            snapshot = structs.replace(snapshot, endpoints={**snapshot.endpoints, "chat": chat})
        levels = {ANN.id: Level.CAN_QUERY, BOB.id: Level.CAN_QUERY}
        endpoints = {name: structs.replace(each, levels=levels) for name, each in snapshot.endpoints.items()}
        tokens = {**snapshot.tokens, digest(TOKEN_KEY, "bob"): Grant(BOB)}
        self.snapshot.swap(structs.replace(snapshot, endpoints=endpoints, tokens=tokens))
        lasting = self.lasting._replace(answers=KeptAnswers(folder))
        self.ledger, self.payloads = Ledger(self.snapshot, "1"), Payloads(1 << 20)
        lasting = lasting._replace(payloads=self.payloads)
        record = Recorder(self.records.append, self.ledger, self.payloads)
        self.gateway = Gateway(self.snapshot, Admission(TOKEN_KEY), self._send, record, lasting)

    def keyed(self, key: bytes = b"k1", **fields: Any) -> tuple[Call, Client]:
        """A call with a key."""
        return self.ask(headers={b"idempotency-key": key}, **fields)


def test_the_same_answer_and_nobody_is_asked(tmp_path: Path) -> None:
    """Who asks the same again gets the same body, marked; with another key, or without one, somebody is asked."""
    world = Keyed(tmp_path / "kept")
    _, first = world.keyed()
    world.last.answer(answer(11, 7))
    _, again = world.keyed()
    assert (again.status, again.body) == (200, first.body)
    assert REPLAY in again.headers
    assert REPLAY not in first.headers
    assert len(world.calls) == 1
    world.keyed(b"k2")
    world.ask()
    assert len(world.calls) == 3


def test_a_stream_again(tmp_path: Path) -> None:
    """A stream is sent once more with all its events."""
    world = Keyed(tmp_path / "kept")
    _, first = world.keyed(stream=True)
    world.last.head()
    for piece in (DELTA % b"he", DELTA % b"y", END):
        world.last.receiver.on_data(piece)
    world.last.receiver.on_end()
    assert first.finished
    _, again = world.keyed(stream=True)
    assert (again.body, again.finished, len(world.calls)) == (first.body, 1, 1)
    assert REPLAY in again.headers


@pytest.mark.parametrize("stream", [False, True])
def test_every_call_is_counted(tmp_path: Path, stream: bool) -> None:
    """An answer that is given again has a row of usage that says so, with no tokens and no cost but with what was asked
    and said, and its place in the inference table, with what the guard lets through; nothing of it is held anywhere."""
    kept = InferenceTable(enabled=True, catalog_name="a", schema_name="b")
    guardrails = Guardrails(input=GuardrailParameters(pii=Pii("MASK")))
    rules = AiGateway(
        guardrails=guardrails,
        usage_tracking_config=UsageTracking(True),
        inference_table_config=kept,
        rate_limits=[RateLimit("minute", calls=1)],
    )
    world = Keyed(tmp_path / "kept", rules)
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "mail me@example.com"}], "stream": stream}
    world.keyed(**asked)
    if stream:
        world.last.head()
        world.last.receiver.on_data(DELTA % b"hey" + END)
        world.last.receiver.on_end()
    else:
        world.last.answer(answer(11, 7))
    _, again = world.keyed(**asked)
    assert REPLAY in again.headers
    first, second = world.ledger.take(9)
    assert (first.outcome, second.outcome, second.status_code) == ("ok", "replayed", 200)
    assert (second.input_token_count, second.output_token_count, second.cost_nano_usd) == (0, 0, 0)
    assert (second.served_entity_id, second.estimated, second.request_streaming) == (None, False, stream)
    assert second.output_character_count == first.output_character_count > 0
    assert second.input_character_count == first.input_character_count
    logged, replayed = (row(each, 1 << 20) for each in world.payloads.take(9, 1 << 30))
    assert replayed.request == logged.request
    assert "me@example.com" not in str(replayed.request)
    assert replayed.response == logged.response
    assert (world.records[-1].replayed, world.records[-1].input_tokens) == (True, 0)
    (tmp_path / "kept").rename(tmp_path / "away")
    call, _ = world.keyed(b"k2", **asked)
    assert call.status == 429, "the folder is made again, and this one is asked, for which there is no room"


@pytest.mark.parametrize("under_way", [True, False])
def test_another_request_with_the_key(tmp_path: Path, under_way: bool) -> None:
    """It is a 400, whether the first has been answered or not."""
    world = Keyed(tmp_path / "kept")
    world.keyed()
    if not under_way:
        world.last.answer(answer(11, 7))
    _, other = world.keyed(temperature=0.5)
    assert (other.status, other.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert len(world.calls) == 1


def test_for_nobody_else(tmp_path: Path) -> None:
    """The same key of another caller, or at another endpoint, is another key."""
    world = Keyed(tmp_path / "kept")
    world.keyed()
    world.last.answer(answer(11, 7))
    world.keyed(token=b"Bearer bob")
    assert len(world.calls) == 2
    call, _ = world.keyed(endpoint="local")
    assert not call.ended


@pytest.mark.parametrize("key", [b"", b"k" * 256])
def test_a_key_that_is_none(tmp_path: Path, key: bytes) -> None:
    """It is a 400."""
    _, client = Keyed(tmp_path / "kept").keyed(key)
    assert (client.status, client.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def failed(world: Keyed, _: Call) -> None:
    """The provider refuses it."""
    world.last.answer(b'{"error":{"message":"no"}}', 400)


def gone(_: Keyed, call: Call) -> None:
    """The client hangs up."""
    call.hang_up()


@pytest.mark.parametrize("end", [failed, gone])
def test_what_is_no_answer_is_not_kept(tmp_path: Path, end: Callable[[Keyed, Call], None]) -> None:
    """After an error, or when the client was gone, another try is one, and nothing is left of the first."""
    world = Keyed(tmp_path / "kept")
    call, _ = world.keyed()
    end(world, call)
    assert call.ended
    assert os.listdir(tmp_path / "kept") == []
    world.keyed()
    world.last.answer(answer(11, 7))
    assert len(world.calls) == 2
    _, client = world.keyed()
    assert REPLAY in client.headers


def test_too_large_to_keep(tmp_path: Path) -> None:
    """An answer beyond the bound is given and not kept."""
    world = Keyed(tmp_path / "kept")
    _, client = world.keyed()
    large = {"choices": [{"message": {"content": "y" * MOST_BYTES}, "finish_reason": "stop"}]}
    world.last.answer(json.dumps(large).encode())
    assert client.status == 200
    world.keyed()
    assert len(world.calls) == 2


def test_waiting_for_the_first(tmp_path: Path) -> None:
    """While one is under way others wait, in this process and in others; one takes over where the first fails."""

    async def test() -> None:
        world, elsewhere = Keyed(tmp_path / "kept"), Keyed(tmp_path / "kept")
        first, _ = world.keyed()
        _, here = world.keyed()
        _, there = elsewhere.keyed()
        left, _ = elsewhere.keyed()
        left.hang_up()
        await asyncio.sleep(0.2)
        assert (len(world.calls), len(elsewhere.calls), here.status, there.status) == (1, 0, 0, 0)
        failed(world, first)
        await until(lambda: len(world.calls) + len(elsewhere.calls) == 2)
        (elsewhere if elsewhere.calls else world).last.answer(answer(11, 7))
        await until(lambda: here.status == there.status == 200)
        assert here.body == there.body
        (replayed,) = [client for client in (here, there) if REPLAY in client.headers]
        assert replayed.overhead < 100, "what the first call took is not cloche's own time"
        assert world.gateway.active_calls == elsewhere.gateway.active_calls == 0

    asyncio.run(test())


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop run until it holds."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def test_the_holder_dies(tmp_path: Path) -> None:
    """Who was getting an answer and is killed holds nobody up: the next one gets it anew."""
    kept = KeptAnswers(tmp_path / "kept")
    program = (
        "import sys, time, pathlib; from cloche.gateway.kept_answers import KeptAnswers;"
        "held = KeptAnswers(pathlib.Path(sys.argv[1])).claim('a', b'x'); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "kept")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert kept.claim("a", b"x") is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    claim = kept.claim("a", b"x")
    assert isinstance(claim, Claim)
    claim.drop()


def test_an_answer_that_was_cut(tmp_path: Path) -> None:
    """A file that ends anywhere before its end is no answer, and neither is one whose bytes have changed."""
    kept = KeptAnswers(tmp_path / "kept")
    claim = kept.claim("a", b"x")
    assert isinstance(claim, Claim)
    claim.keep(Kept(streamed=False, content=b"0123456789"))
    [path] = (tmp_path / "kept").iterdir()
    whole = path.read_bytes()
    assert kept.claim("a", b"x") == Kept(streamed=False, content=b"0123456789")
    for damaged in (*(whole[:length] for length in range(len(whole))), whole[:-1] + b"?"):
        path.write_bytes(damaged)
        claim = kept.claim("a", b"x")
        assert isinstance(claim, Claim)
        claim.drop()


def test_for_a_day(tmp_path: Path) -> None:
    """After a day an answer is forgotten: by who asks, and by the sweep, which also bounds the folder."""
    at = [1_000_000.0]
    kept = KeptAnswers(tmp_path / "kept", lambda: at[0])
    for name in ("a", "b"):
        claim = kept.claim(name, b"x")
        assert isinstance(claim, Claim)
        claim.keep(Kept(streamed=True, content=b"hi"))
    at[0] += KEPT_SECONDS - 1
    with pytest.raises(OtherRequest):
        kept.claim("a", b"y")
    at[0] += 1
    claim = kept.claim("a", b"y")
    assert isinstance(claim, Claim)
    for path in (tmp_path / "kept").iterdir():
        os.utime(path, (1_000_000, 1_000_000))
    kept.sweep()
    assert len(os.listdir(tmp_path / "kept")) == 1, "what is under way stays"
    claim.keep(Kept(streamed=True, content=b"hi"))
    large = tmp_path / "kept" / "large"
    large.touch()
    os.truncate(large, FOLDER_BYTES)
    os.utime(large, (at[0] - 9, at[0] - 9))
    [other] = [path for path in (tmp_path / "kept").iterdir() if path != large]
    os.utime(other, (at[0], at[0]))
    kept.sweep()
    assert os.listdir(tmp_path / "kept") == [other.name]
