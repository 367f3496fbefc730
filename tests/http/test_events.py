"""What waits for a listener, and how many listeners there may be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import pytest

from cloche.domain.access import Principal
from cloche.domain.errors import LimitExceeded, NotReady, Unauthenticated
from cloche.http.events import MAX_LISTENERS, MAX_WAITING, Events, Listener, Sources
from cloche.snapshot import Snapshot
from cloche.wire.events import Asked
from cloche.wire.serving import EndpointStatus
from usage_rows import call

ALL = Asked(calls=True, endpoint=None)


def admin() -> Principal:
    """Who sees everything."""
    return Principal("1", "ann", admin=True)


def stranger() -> NoReturn:
    """Whose token is good no longer."""
    raise Unauthenticated("it was revoked")


class NoCalls:
    """A table of calls with nothing in it."""

    def newest_ids(self, limit: int) -> list[str]:
        """None."""
        return []


@pytest.fixture
def events() -> Events:
    """Those of a server without endpoints."""
    sources = Sources(
        lambda: Snapshot(7, {}, {}),
        lambda endpoint: EndpointStatus(True),
        NoCalls(),  # type: ignore[arg-type]
        dict,
    )
    return Events(sources)


async def told(pieces: AsyncIterator[bytes]) -> list[tuple[str, Any]]:
    """Every event until the end."""
    text = b"".join([piece async for piece in pieces]).decode()
    found = [event.split("\n") for event in text.split("\n\n") if event and not event.startswith(":")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in found]


def test_a_slow_listener_is_told_what_it_lost() -> None:
    """Of calls the newest wait, and how many were left out is told before them; of a state the newest alone."""
    listener = Listener(ALL, admin, lambda _: None)
    for number in range(MAX_WAITING + 30):
        listener.tell_revision(number)
        listener.tell("endpoint", "a", {"name": "a", "turn": number})
        listener.tell_call(call(number))
    listener.end()
    found = asyncio.run(told(listener.pieces()))
    names = [name for name, _ in found]
    assert names == ["revision", "endpoint", "lost", *["call"] * MAX_WAITING]
    assert [each for name, each in found if name != "call"] == [
        {"revision": MAX_WAITING + 29},
        {"name": "a", "turn": MAX_WAITING + 29},
        {"calls": 30},
    ]
    assert found[3][1]["request_id"] == "id-30"
    assert found[-1][1]["request_id"] == f"id-{MAX_WAITING + 29}"


def test_listeners_are_counted(events: Events) -> None:
    """There are so many and no more, and whoever leaves makes room."""
    listeners = [events.listen(ALL, admin) for _ in range(MAX_LISTENERS)]
    with pytest.raises(LimitExceeded):
        events.listen(ALL, admin)
    listeners[3].close()
    events.listen(ALL, admin)
    with pytest.raises(LimitExceeded):
        events.listen(ALL, admin)


def test_a_drain_ends_every_listener(events: Events) -> None:
    """Each is told what waits, and none can begin any more."""

    async def drained() -> list[list[tuple[str, Any]]]:
        listening = [asyncio.create_task(told(events.told_to(events.listen(ALL, admin)))) for _ in range(3)]
        await asyncio.sleep(0.1)
        await events.close()
        return list(await asyncio.wait_for(asyncio.gather(*listening), 5))

    assert asyncio.run(drained()) == [[("revision", {"revision": 7})]] * 3
    with pytest.raises(NotReady):
        events.listen(ALL, admin)


def test_whose_token_is_good_no_longer_is_told_nothing(events: Events) -> None:
    """The stream of a revoked token ends."""

    async def revoked() -> list[tuple[str, Any]]:
        return await asyncio.wait_for(told(events.told_to(events.listen(ALL, stranger))), 5)

    assert asyncio.run(revoked()) == []
