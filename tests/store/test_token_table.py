"""Tokens at rest, on a real file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.domain.access import Token
from cloche.store.database import Store, open_store

OLD = Token("old", "admin", "", 1, 100)
NEW = Token("new", "admin", "it's; DROP TABLE tokens", 2, None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open store with two tokens, one of which expires at 100."""
    opened = open_store(tmp_path)
    opened.tokens.add(OLD, b"1" * 32)
    opened.tokens.add(NEW, b"2" * 32)
    yield opened
    opened.close()


def test_all_lists_the_newest_first(store: Store) -> None:
    """Every token comes back as it was given, expired or not."""
    assert store.tokens.all() == [NEW, OLD]


@pytest.mark.parametrize(("now", "ids"), [(99, {"old", "new"}), (100, {"new"}), (101, {"new"})])
def test_active_leaves_expired_tokens_out(store: Store, now: int, ids: set[str]) -> None:
    """A token is valid before its expiry and not from then on, as `Token.valid_at` says."""
    assert {token.id for token in store.tokens.active(now).values()} == ids
    assert OLD.valid_at(now) == ("old" in ids)


def test_add_replaces_a_token_of_the_same_id_or_digest(store: Store) -> None:
    """The same id twice, or the same value twice, is one token: the later."""
    store.tokens.add(Token("new", "admin", "again", 3), b"3" * 32)
    store.tokens.add(Token("other", "admin", "same value", 4), b"1" * 32)
    assert [token.id for token in store.tokens.all()] == ["other", "new"]


def test_remove_says_whether_there_was_one(store: Store) -> None:
    """Removing is final, and removing again finds nothing."""
    assert store.tokens.remove("old") is True
    assert store.tokens.remove("old") is False
    assert store.tokens.remove("' OR 1=1 --") is False
    assert store.tokens.all() == [NEW]
