"""Tokens at rest, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloche.domain.access import Token
from cloche.store.database import Store
from cloche.store.tokens import TokenTable

OLD = Token("old", "1", "", 1, 100)
NEW = Token("new", "1", "it's; DROP TABLE tokens", 2, None)


@pytest.fixture
def tokens(store: Store) -> Iterator[TokenTable]:
    """The table within a change, with two tokens, one of which expires at 100."""
    with store.write() as work:
        work.tokens.add(OLD, b"1" * 32)
        work.tokens.add(NEW, b"2" * 32)
        yield work.tokens


def test_all_lists_the_newest_first(tokens: TokenTable) -> None:
    """Every token comes back as it was given, expired or not, of everybody or of one."""
    tokens.add(Token("other", "7", "", 3), b"3" * 32)
    assert tokens.all("1") == [NEW, OLD]
    assert [token.id for token in tokens.all()] == ["other", "new", "old"]
    assert (tokens.count("1"), tokens.count("7"), tokens.count("8")) == (2, 1, 0)


def test_digests_come_with_their_tokens(tokens: TokenTable) -> None:
    """A digest is 32 bytes as they were given, in the order of ids."""
    assert tokens.by_digest() == [(b"2" * 32, NEW), (b"1" * 32, OLD)]


def test_expired_tokens_can_be_forgotten(tokens: TokenTable) -> None:
    """Those that ended before a time go, the others and those without end stay."""
    tokens.remove_expired(100)
    assert tokens.all() == [NEW, OLD]
    tokens.remove_expired(101)
    assert tokens.all() == [NEW]


def test_add_replaces_a_token_of_the_same_id_or_digest(tokens: TokenTable) -> None:
    """The same id twice, or the same value twice, is one token: the later."""
    tokens.add(Token("new", "1", "again", 3), b"3" * 32)
    tokens.add(Token("other", "1", "same value", 4), b"1" * 32)
    assert [token.id for token in tokens.all()] == ["other", "new"]


def test_remove_says_whether_there_was_one(tokens: TokenTable) -> None:
    """Removing is final, and removing again finds nothing."""
    assert tokens.remove("old") is True
    assert tokens.remove("old") is False
    assert tokens.remove("' OR 1=1 --") is False
    assert tokens.all() == [NEW]


def test_use_is_noted(tokens: TokenTable) -> None:
    """The time of the last use is kept with the token; an unknown id is nobody's."""
    tokens.used({"old": 50, "nobody": 60})
    used = tokens.get("old")
    assert used is not None
    assert used.last_used_at == 50
    assert tokens.get("nobody") is None
