"""What can be done with tokens, over a real database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.control.tokens import CONFIGURED, DEFAULT_LIFETIME, Tokens
from cloche.domain.access import ADMIN, digest, principal_named
from cloche.domain.errors import InvalidParameter, NotFound
from cloche.store.database import Store, open_store

NOW = 1_000_000


class World:
    """A store, the use-cases over it, and how often they published."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.published = 0
        self.tokens = Tokens(store, self._publish, lambda: NOW)

    def _publish(self) -> None:
        self.published += 1

    def accepts(self, value: str) -> bool:
        """Whether a value would be let in."""
        return digest(self.store.key, value) in self.store.tokens.active(NOW)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh world."""
    store = open_store(tmp_path)
    yield World(store)
    store.close()


def test_create_makes_a_value_that_is_accepted_and_publishes(world: World) -> None:
    """A created token is let in, has the asked lifetime, and the hot path is told."""
    value, token = world.tokens.create(ADMIN, "laptop", 60)
    assert re.fullmatch("dapi[0-9a-f]{32}", value)
    assert (token.comment, token.created_at, token.expires_at) == ("laptop", NOW, NOW + 60_000)
    assert world.accepts(value)
    assert world.tokens.list() == [token]
    assert world.published == 1


def test_no_lifetime_means_two_years(world: World) -> None:
    """Without a lifetime, the token ends after the documented default."""
    assert world.tokens.create(ADMIN)[1].expires_at == NOW + DEFAULT_LIFETIME * 1000


@pytest.mark.parametrize(("comment", "lifetime"), [("", 0), ("", -1), ("", 10**12), ("c" * 1025, 60)])
def test_create_refuses_what_makes_no_sense(world: World, comment: str, lifetime: int) -> None:
    """A refusal changes and publishes nothing."""
    with pytest.raises(InvalidParameter):
        world.tokens.create(ADMIN, comment, lifetime)
    assert (world.tokens.list(), world.published) == ([], 0)


def test_revoke_ends_a_token_and_publishes(world: World) -> None:
    """A revoked value is no longer let in; an unknown id is told and publishes nothing."""
    value, token = world.tokens.create(ADMIN)
    world.tokens.revoke(token.id)
    assert not world.accepts(value)
    assert world.published == 2
    with pytest.raises(NotFound, match="token_id"):
        world.tokens.revoke(token.id)
    assert world.published == 2


def test_the_first_start_makes_one_admin_token(world: World) -> None:
    """The first start returns a value to show; later ones return nothing and the value goes on working."""
    value = world.tokens.ensure_admin(None)
    assert value is not None
    assert world.accepts(value)
    assert world.tokens.ensure_admin(None) is None
    (token,) = world.tokens.list()
    assert (token.principal, token.expires_at) == (ADMIN, None)


def test_nobody_is_locked_out_for_good(world: World) -> None:
    """When the last admin token has gone, the next start makes one."""
    world.tokens.ensure_admin(None)
    world.tokens.revoke(world.tokens.list()[0].id)
    assert world.tokens.ensure_admin(None) is not None


def test_the_configured_token_replaces_the_former_one(world: World) -> None:
    """The setting's token is accepted in place of the one set before, also when it was a token made here."""
    made, _ = world.tokens.create(ADMIN)
    assert world.tokens.ensure_admin("first configured token") is None
    assert world.tokens.ensure_admin("second configured token") is None
    assert not world.accepts("first configured token")
    assert world.accepts("second configured token")
    world.tokens.ensure_admin(made)
    assert world.accepts(made)
    assert [token.id for token in world.tokens.list()] == [CONFIGURED]


def test_a_token_taken_out_of_the_settings_ends(world: World) -> None:
    """Without the setting the configured token is refused, and a new admin token is made."""
    world.tokens.ensure_admin("configured token here")
    assert world.tokens.ensure_admin(None) is not None
    assert not world.accepts("configured token here")


def test_no_value_is_ever_written(world: World, tmp_path: Path) -> None:
    """No file of the home holds a token's value, made or configured."""
    values = [world.tokens.create(ADMIN)[0], "configured token here"]
    world.tokens.ensure_admin(values[1])
    sqlite3.connect(tmp_path / "cloche.db").close()
    for path in tmp_path.iterdir():
        assert not any(value.encode() in path.read_bytes() for value in values)


def test_digests_depend_on_key_and_value() -> None:
    """The same value has another digest under another key; text and bytes are the same value."""
    assert digest(b"k" * 32, "dapi1") == digest(b"k" * 32, b"dapi1")
    assert len({digest(key, value) for key in (b"k" * 32, b"l" * 32) for value in ("a", "b")}) == 4


def test_only_the_admin_is_admin() -> None:
    """Another principal's name gives no rights."""
    assert principal_named(ADMIN).admin
    assert not principal_named("someone").admin
