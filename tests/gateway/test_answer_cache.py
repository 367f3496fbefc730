"""The cache of answers: the same answer to the same question, to whom it may concern, as long as it holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cloche.domain.access import Level, Principal, digest
from cloche.domain.ai_gateway import (
    AiGateway,
    GuardrailParameters,
    Guardrails,
    Pii,
    ResponseCache,
)
from cloche.gateway.admission import Admission
from cloche.gateway.answer_cache import AnswerCache
from cloche.gateway.call import Call
from cloche.gateway.coalescing import Flights
from cloche.gateway.kept_answers import Kept, KeptAnswers
from cloche.gateway.pipeline import Gateway
from cloche.gateway.recording import Recorder
from cloche.gateway.tracking import Ledger
from cloche.guardrails.guard import guards_of
from cloche.snapshot import Grant

from .scripted import ANN, TOKEN_KEY, Client, World
from .test_limits import DELTA, answer

BOB = Principal("8", "bob")
CACHE = AiGateway(cache_config=ResponseCache(enabled=True))
SHARED = AiGateway(cache_config=ResponseCache(enabled=True, shared=True))
ASKED = b'{"role": "user", "content": "hi"}'
END = b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class Caching(World):
    """A world whose endpoint `chat` has these rules, and in which Ann and Bob may ask."""

    def __init__(self, home: Path, rules: AiGateway) -> None:
        super().__init__()
        tokens = {**self.snapshot.current().tokens, digest(TOKEN_KEY, "bob"): Grant(BOB)}
        self.snapshot.swap(structs.replace(self.snapshot.current(), tokens=tokens))
        self.govern(rules)
        self.cache = AnswerCache(home / "cache", self.snapshot)
        self.flights = Flights()
        self.ledger = Ledger(self.snapshot, "1")
        lasting = self.lasting._replace(cache=self.cache, flights=self.flights)
        record = Recorder(self.records.append, self.ledger)
        self.gateway = Gateway(self.snapshot, Admission(TOKEN_KEY), self._send, record, lasting)

    def govern(self, rules: AiGateway, updated_at: int = 0) -> None:
        """Give the endpoint these rules, at that time."""
        current = self.snapshot.current()
        compiled = current.endpoints["chat"]
        compiled = structs.replace(
            compiled,
            endpoint=structs.replace(compiled.endpoint, updated_at=updated_at),
            levels={ANN.id: Level.CAN_QUERY, BOB.id: Level.CAN_QUERY},
            rules=rules,
            guards=guards_of(rules.guardrails),
        )
        self.snapshot.swap(structs.replace(current, endpoints={**current.endpoints, "chat": compiled}))

    def asked(self, text: bytes = answer(11, 7), **fields: Any) -> tuple[Call, Client]:
        """A call whose provider, if one is asked, says this."""
        before = len(self.calls)
        call, client = self.ask(**fields)
        if len(self.calls) > before:
            self.last.answer(text)
        return call, client


def told(client: Client) -> str | None:
    """What the head says of the cache."""
    found = [line for line in client.headers.split(b"\r\n") if line.startswith(b"cloche-cache: ")]
    return found[0].removeprefix(b"cloche-cache: ").decode() if found else None


def test_the_same_question(tmp_path: Path) -> None:
    """Who asks the same gets the same answer, whatever the order of the fields, and nobody is asked; the records say
    so, with no tokens."""
    world = Caching(tmp_path, CACHE)
    _, first = world.asked(temperature=0.7)
    again = world.ask(raw=b'{"temperature":0.7,"client_request_id":"x", "messages":[%b]}' % ASKED)[1]
    assert (told(first), told(again), len(world.calls)) == ("miss", "hit", 1)
    assert (again.status, again.body) == (200, first.body)
    assert [(record.cache, record.input_tokens, record.entity is None) for record in world.records] == [
        ("miss", 11, False),
        ("hit", 0, True),
    ]
    assert (world.cache.hits, world.cache.misses) == (1, 1)
    assert b"served-model-name" not in again.headers


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.5},
        {"messages": [{"role": "user", "content": "ho"}]},
        {"stream": True},
        {"entity": "first"},
        {"unheard_of": 1},
        {"headers": {b"cloche-strict-params": b"true"}},
        {"token": b"Bearer bob"},
    ],
)
def test_another_question(tmp_path: Path, fields: dict[str, Any]) -> None:
    """Any other field, entity or form is another question, and so is the same of another caller."""
    world = Caching(tmp_path, CACHE)
    world.asked()
    _, other = world.ask(**fields)
    assert len(world.calls) == 2
    assert told(other) != "hit"


def test_a_cache_that_cannot_be_used_fails_no_call(tmp_path: Path) -> None:
    """Where an answer cannot be looked up or kept, as on a full disk, it is asked for."""
    world = Caching(tmp_path, CACHE)
    os.rmdir(tmp_path / "cache")
    (tmp_path / "cache").write_bytes(b"in the way")
    _, client = world.asked()
    assert (client.status, told(client)) == (200, "miss")


def test_shared(tmp_path: Path) -> None:
    """Where it is shared, others get the answer too."""
    world = Caching(tmp_path, SHARED)
    _, first = world.asked()
    _, other = world.asked(token=b"Bearer bob")
    assert (told(other), other.body, len(world.calls)) == ("hit", first.body, 1)


def test_a_stream(tmp_path: Path) -> None:
    """A stream is sent again as one, with all its events."""
    world = Caching(tmp_path, CACHE)
    _, first = world.ask(stream=True)
    world.last.head()
    for piece in (DELTA % b"he", DELTA % b"y", END):
        world.last.receiver.on_data(piece)
    world.last.receiver.on_end()
    _, again = world.ask(stream=True)
    assert (again.body, again.finished, told(again), len(world.calls)) == (first.body, 1, "hit", 1)


@pytest.mark.parametrize("word", [b"no-cache", b"max-age=0, No-Store"])
def test_an_answer_of_ones_own(tmp_path: Path, word: bytes) -> None:
    """Who says so in Cache-Control is asked for anew, and not kept."""
    world = Caching(tmp_path, CACHE)
    world.asked(headers={b"cache-control": word})
    _, again = world.asked()
    assert told(again) == "miss"
    _, third = world.asked(headers={b"cache-control": word})
    assert told(third) is None
    assert len(world.calls) == 3


def test_errors_and_cut_streams(tmp_path: Path) -> None:
    """An error, a stream that is cut and one whose client goes away are not kept."""
    world = Caching(tmp_path, CACHE)
    world.ask()
    world.last.answer(b'{"error":{"message":"no"}}', 400)
    world.ask(stream=True)
    world.last.head()
    world.last.receiver.on_data(DELTA % b"he")
    world.last.receiver.on_end()
    call, _ = world.ask(stream=True)
    world.last.head()
    world.last.receiver.on_data(DELTA % b"he")
    call.hang_up()
    _, whole = world.asked()
    _, stream = world.ask(stream=True)
    assert told(whole) == "miss"
    assert told(stream) is None, "it has not begun, so nothing was kept"
    assert len(world.calls) == 5


def test_what_is_blocked_or_masked(tmp_path: Path) -> None:
    """A blocked answer is not kept, not even where it is told as one; what is masked is kept masked; a blocked question
    gets no kept answer."""
    rules = GuardrailParameters(pii=Pii("MASK"), invalid_keywords=["pineapple"])
    world = Caching(tmp_path, AiGateway(cache_config=SHARED.cache_config, guardrails=Guardrails(rules, rules)))
    for number in range(4):
        said = answer(11, 7).replace(b'"content": "', b'"content": "pineapple ')
        _, blocked = world.asked(said, path="/ai-gateway/mlflow/v1/chat/completions" if number % 2 else "/chat")
        assert blocked.status == (200 if number % 2 else 400)
    assert len(world.calls) == 4
    said = answer(11, 7).replace(b'"content": "', b'"content": "ann@example.com ')
    _, first = world.asked(said, messages=[{"role": "user", "content": "mail"}])
    _, again = world.asked(said, messages=[{"role": "user", "content": "mail"}])
    assert (told(again), again.body) == ("hit", first.body)
    assert b"ann@" not in first.body
    kept = [path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(kept) == 1
    assert b"ann@" not in kept[0]
    _, refused = world.asked(messages=[{"role": "user", "content": "pineapple"}])
    assert refused.status == 400


def test_any_change_of_the_endpoint(tmp_path: Path) -> None:
    """After it nothing that was kept is given, and the sweep removes it; a process that knows the older state goes on
    with its own."""
    world, elsewhere = Caching(tmp_path, CACHE), Caching(tmp_path, CACHE)
    world.asked()
    world.govern(CACHE, updated_at=1)
    _, again = world.asked()
    assert told(again) == "miss"
    assert len(os.listdir(tmp_path / "cache")) == 2
    world.cache.sweep()
    assert os.listdir(tmp_path / "cache") == ["chat-1-1"]
    _, older = elsewhere.asked()
    assert told(older) == "miss"
    _, older = elsewhere.asked()
    assert told(older) == "hit"
    world.govern(AiGateway())
    world.cache.sweep()
    assert os.listdir(tmp_path / "cache") == []


def test_only_so_many(tmp_path: Path) -> None:
    """There are never more answers than were allowed: a new one puts out another."""
    world = Caching(tmp_path, AiGateway(cache_config=ResponseCache(enabled=True, max_entries=3)))
    for number in range(20):
        world.asked(seed=number)
    assert len(os.listdir(tmp_path / "cache" / "chat-1-0")) <= 3
    _, last = world.asked(seed=19)
    assert told(last) == "hit"


def test_for_its_time(tmp_path: Path) -> None:
    """An answer is given for `ttl_seconds` and not beyond, and then it is replaced."""
    at = [1_000_000.0]
    kept = KeptAnswers(tmp_path / "kept", lambda: at[0], seconds=60)
    one, other = Kept(streamed=False, content=b"one"), Kept(streamed=False, content=b"other")
    kept.put("0", b"a", one)
    at[0] += 59
    assert kept.find("0", b"a") == one
    assert kept.find("0", b"b") is None
    at[0] += 1
    assert kept.find("0", b"a") is None
    kept.put("0", b"a", other)
    assert kept.find("0", b"a") == other
    kept.put("0", b"b", one)
    assert (kept.find("0", b"a"), kept.find("0", b"b")) == (None, one)


def test_what_was_cut_while_it_was_written(tmp_path: Path) -> None:
    """A file that ends anywhere before its end, as after a crash, is no answer, and is replaced."""
    kept = KeptAnswers(tmp_path / "kept")
    whole = Kept(streamed=False, content=b"0123456789")
    kept.put("0", b"a", whole)
    [path] = (tmp_path / "kept").iterdir()
    written = path.read_bytes()
    for length in range(len(written)):
        path.write_bytes(written[:length])
        assert kept.find("0", b"a") is None
        kept.put("0", b"a", whole)
        assert kept.find("0", b"a") == whole


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """Where answers cannot be kept, calls are answered as ever."""
    world = Caching(tmp_path, CACHE)
    world.asked()
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            path.unlink()
            path.mkdir()
    _, again = world.asked()
    assert (again.status, told(again)) == (200, "miss")
