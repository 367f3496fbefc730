"""Tokens: what is kept instead of them, and how long they count."""

from __future__ import annotations

import pytest

from cloche.domain.access import ADMIN, Token, digest, principal_named

KEY = b"k" * 32


def test_a_digest_is_of_the_value_under_the_key() -> None:
    """The same token has one digest under one key, as text and as bytes, and another under another key."""
    assert digest(KEY, "dapi1") == digest(KEY, b"dapi1")
    assert len(digest(KEY, "dapi1")) == 32
    assert len({digest(KEY, "dapi1"), digest(KEY, "dapi2"), digest(b"j" * 32, "dapi1")}) == 3


def test_any_text_has_a_digest() -> None:
    """Text that is no Unicode, as a path or an environment may hold, is no crash but another token."""
    assert digest(KEY, "\udcff") != digest(KEY, "")


@pytest.mark.parametrize(
    ("expires_at", "now", "valid"), [(None, 10**15, True), (5, 4, True), (5, 5, False), (5, 6, False)]
)
def test_a_token_counts_until_its_time(expires_at: int | None, now: int, valid: bool) -> None:
    """A token is valid before its end and not at it; without an end it is valid always."""
    assert Token("id", "ann", "", 0, expires_at).valid_at(now) is valid


def test_only_the_admin_is_one() -> None:
    """The name decides who may administer."""
    assert principal_named(ADMIN).admin
    assert not principal_named("ann").admin
