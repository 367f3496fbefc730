"""What can be done with tokens, over a real database of each kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloche.control.tokens import CONFIGURED, DEFAULT_LIFETIME, MAX_TOKENS, Tokens
from cloche.domain.access import ADMIN_ID, Token, digest
from cloche.domain.errors import InvalidParameter, NotFound, QuotaExceeded
from cloche.store.database import Store

from .installation import ADMIN, NOW, add_user, audit_log, now_ms, publisher


class World:
    """A store, and the use-cases over it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.somebody = add_user(store, "somebody")
        self.publisher = publisher(store)
        self.tokens = Tokens(self.publisher, now_ms)

    def accepts(self, value: str) -> bool:
        """Whether a value would be let in."""
        return digest(self.store.key, value) in self.publisher.current().tokens

    def mine(self) -> list[Token]:
        """The administrator's tokens."""
        return self.tokens.list(ADMIN.principal)


@pytest.fixture
def world(store: Store) -> World:
    """A fresh world."""
    return World(store)


def test_create_makes_a_value_that_is_accepted(world: World) -> None:
    """A created token is let in at once, has the asked lifetime, and the audit log tells of it without its value."""
    value, token = world.tokens.create(ADMIN, "laptop", 60)
    assert re.fullmatch("dapi[0-9a-f]{32}", value)
    assert (token.comment, token.created_at, token.expires_at) == ("laptop", NOW, NOW + 60_000)
    assert world.accepts(value)
    assert world.mine() == [token]
    (entry,) = audit_log(world.store)
    assert (entry.action, entry.target, entry.principal, entry.address) == (
        "token.create",
        token.id,
        "admin",
        "127.0.0.1",
    )
    assert value not in str(entry)


def test_no_lifetime_means_two_years(world: World) -> None:
    """Without a lifetime, the token ends after the documented default."""
    assert world.tokens.create(ADMIN)[1].expires_at == NOW + DEFAULT_LIFETIME * 1000


@pytest.mark.parametrize(("comment", "lifetime"), [("", 0), ("", -1), ("", 10**12), ("c" * 1025, 60)])
def test_create_refuses_what_makes_no_sense(world: World, comment: str, lifetime: int) -> None:
    """A refusal changes and publishes nothing."""
    before = world.publisher.current()
    with pytest.raises(InvalidParameter):
        world.tokens.create(ADMIN, comment, lifetime)
    assert world.publisher.current() is before
    assert world.mine() == []
    assert audit_log(world.store) == []


def test_nobody_has_more_tokens_than_may_be(world: World) -> None:
    """The quota counts a principal's own valid tokens: expired ones make room, and others' take none."""
    with world.store.write() as work:
        for number in range(MAX_TOKENS - 1):
            work.tokens.add(Token(f"t{number}", ADMIN_ID, "", 1), number.to_bytes(32))
        work.tokens.add(Token("expired", ADMIN_ID, "", 1, NOW - 1), b"e" * 32)
    world.tokens.create(ADMIN)
    with pytest.raises(QuotaExceeded, match="600"):
        world.tokens.create(ADMIN)
    world.tokens.create(world.somebody)


def test_revoke_ends_a_token(world: World) -> None:
    """A revoked value is no longer let in; an unknown id is told and publishes nothing."""
    value, token = world.tokens.create(ADMIN)
    world.tokens.revoke(ADMIN, token.id)
    assert not world.accepts(value)
    before = world.publisher.current()
    with pytest.raises(NotFound, match="token_id"):
        world.tokens.revoke(ADMIN, token.id)
    assert world.publisher.current() is before


def test_only_the_owner_and_administrators_revoke(world: World) -> None:
    """Another's token is not there for whoever is no administrator."""
    value, token = world.tokens.create(ADMIN)
    with pytest.raises(NotFound):
        world.tokens.revoke(world.somebody, token.id)
    assert world.accepts(value)
    _, theirs = world.tokens.create(world.somebody)
    assert world.tokens.list(world.somebody.principal) == [theirs]
    world.tokens.revoke(ADMIN, theirs.id)
    assert world.tokens.list(world.somebody.principal) == []


def test_the_first_start_makes_one_admin_token(world: World) -> None:
    """The first start returns a value to show; later ones return nothing and the value goes on working."""
    value = world.tokens.ensure_admin(None)
    assert value is not None
    assert world.accepts(value)
    assert world.tokens.ensure_admin(None) is None
    (token,) = world.mine()
    assert (token.principal, token.expires_at) == (ADMIN_ID, None)


def test_nobody_is_locked_out_for_good(world: World) -> None:
    """When the last admin token has gone, the next start makes one, whatever others have."""
    world.tokens.create(world.somebody)
    world.tokens.ensure_admin(None)
    world.tokens.revoke(ADMIN, world.mine()[0].id)
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
    assert [token.id for token in world.mine()] == [CONFIGURED]


def test_a_token_taken_out_of_the_settings_ends(world: World) -> None:
    """Without the setting the configured token is refused, and a new admin token is made."""
    world.tokens.ensure_admin("configured token here")
    assert world.tokens.ensure_admin(None) is not None
    assert not world.accepts("configured token here")


def test_no_value_is_ever_written(world: World, tmp_path: Path) -> None:
    """Neither a file of the home nor the state that is kept holds a token's value, made or configured."""
    values = [world.tokens.create(ADMIN)[0], "configured token here"]
    world.tokens.ensure_admin(values[1])
    told = [path.read_bytes() for path in tmp_path.iterdir()] + [str(world.store.state()).encode()]
    assert not any(value.encode() in text for value in values for text in told)


def test_digests_depend_on_key_and_value() -> None:
    """The same value has another digest under another key; text and bytes are the same value."""
    assert digest(b"k" * 32, "dapi1") == digest(b"k" * 32, b"dapi1")
    assert len({digest(key, value) for key in (b"k" * 32, b"l" * 32) for value in ("a", "b")}) == 4
