"""What is published is what was committed, whoever publishes at the same time, and never what cannot serve."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from cloche.control.publish import Publisher
from cloche.control.secret_references import place
from cloche.domain.access import Token
from cloche.domain.errors import InvalidParameter
from cloche.snapshot import Snapshot
from cloche.store.database import Store, StoreUnreachable, open_store
from databases import MASTER_KEYS

from .installation import NOW, configuration, openai_entity, publisher, serve

REFERRING = configuration(openai_entity(openai_api_key="{{secrets/keys/openai}}"))


@pytest.fixture
def made(store: Store) -> Publisher:
    """A publisher of an installation with the secret that the tests' configuration refers to."""
    with store.write() as work:
        work.secrets.put("keys", "openai", store.sealer.seal(b"sk-1", place("keys", "openai")), NOW)
    return publisher(store)


def test_a_change_is_in_force_when_its_block_has_ended(made: Publisher) -> None:
    """Inside the block nothing is seen, afterwards all of it, under the next revision."""
    before = made.current()
    with made.change() as work:
        work.tokens.add(Token("a", "1", "", 1), b"d" * 32)
        assert made.current() is before
    assert made.current().revision == before.revision + 1
    assert made.current().tokens[b"d" * 32].principal.name == "admin"


def test_what_cannot_serve_is_not_published(made: Publisher) -> None:
    """A change that takes a secret from under an endpoint is refused whole, and the endpoint serves on."""
    serve(made, REFERRING)
    before = made.current()
    with pytest.raises(InvalidParameter, match=r"'bot' could not be served.*no secret 'openai'"), made.change() as work:
        work.secrets.remove("keys", "openai")
    assert made.current() is before
    with made.store.read() as work:
        assert work.secrets.get("keys", "openai") is not None
        assert work.revision() == before.revision


def test_a_failing_use_case_publishes_nothing(made: Publisher) -> None:
    """An exception in the block leaves database and snapshot as they were."""
    before = made.current()

    def fail() -> None:
        with made.change() as work:
            work.tokens.add(Token("a", "1", "", 1), b"d" * 32)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert made.current() is before
    assert made.store.state() == before.state


def test_other_processes_changes_come_with_a_refresh(made: Publisher, tmp_path: Path, database_url: str | None) -> None:
    """What another process committed is in force after `refresh`, and one that finds nothing new swaps nothing."""
    other = open_store(tmp_path, MASTER_KEYS, database_url)
    with other.write() as work:
        work.tokens.add(Token("a", "1", "", 1), b"d" * 32)
    other.close()
    swaps: list[Snapshot] = []
    made.published.append(swaps.append)
    made.refresh()
    made.refresh()
    assert b"d" * 32 in made.current().tokens
    assert len(swaps) == 1


def test_no_publication_puts_an_older_state_in_force(made: Publisher) -> None:
    """While four threads change and two refresh, the revision in force only ever grows, and ends at the newest."""
    seen: list[int] = []
    made.published.append(lambda snapshot: seen.append(snapshot.revision))

    def change(number: int) -> None:
        for turn in range(5):
            with made.change() as work:
                work.tokens.add(Token(f"{number}-{turn}", "1", "", 1), bytes([number, turn]) * 16)

    def refresh() -> None:
        for _ in range(20):
            made.refresh()

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    threads += [threading.Thread(target=refresh) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == sorted(set(seen))
    assert len(made.current().tokens) == 20
    assert made.current().state == made.store.state()


def test_a_kept_state_is_served_as_it_was(made: Publisher) -> None:
    """A state that did not come from the store compiles to the same endpoints and tokens."""
    serve(made, REFERRING)
    state = made.current().state
    fresh = publisher(made.store)
    fresh.adopt(msgspec.structs.replace(state, revision=99))
    assert fresh.current().revision == 99
    assert fresh.current().endpoints["bot"].problem is None


def test_while_the_database_is_away_changes_are_refused_at_once(
    made: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come one after another, so none may wait for what is known to be gone; a refresh that succeeds ends it."""
    before, asked = made.current(), []

    def gone() -> NoReturn:
        asked.append(1)
        raise StoreUnreachable("gone", retry_after=5, summary="gone: no route")

    with monkeypatch.context() as outage:
        outage.setattr(made.store, "_ensure_open", gone)
        with pytest.raises(StoreUnreachable):
            made.refresh()
        made.catch_up()
        with pytest.raises(StoreUnreachable) as caught, made.change():
            pass
        assert (caught.value.summary, caught.value.retry_after, len(asked)) == ("gone: no route", 5, 1)
    assert made.current() is before
    made.refresh()
    with made.change() as work:
        work.tokens.add(Token("a", "1", "", 1), b"d" * 32)
    assert made.current().revision == before.revision + 1
