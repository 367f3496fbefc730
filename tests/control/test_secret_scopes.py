"""The secrets API's rules: who may do what with a scope, how names, sizes and numbers are bounded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloche.control.publish import Publisher
from cloche.control.secret_scopes import MAX_SCOPES, MAX_SECRETS, MAX_VALUE, SecretScopes
from cloche.domain.access import Caller, ScopeLevel
from cloche.domain.errors import AlreadyExists, InvalidParameter, NotFound, PermissionDenied, Problem, QuotaExceeded
from cloche.store.database import Store
from cloche.store.secrets import Scope

from .installation import ADMIN, NOW, add_user, audit_log, now_ms, publisher


@pytest.fixture
def made(store: Store) -> Publisher:
    """The publisher of an installation with nothing in it."""
    return publisher(store)


@pytest.fixture
def scopes(made: Publisher) -> SecretScopes:
    """The use-cases."""
    return SecretScopes(made, now_ms)


def test_a_value_comes_back_as_it_was_put(scopes: SecretScopes) -> None:
    """Any bytes are kept, the newest under a key, and listed without their value."""
    scopes.create(ADMIN, "prod")
    scopes.put(ADMIN, "prod", "key", b"\x00\xff first")
    scopes.put(ADMIN, "prod", "key", b"second")
    scopes.put(ADMIN, "prod", "empty", b"")
    assert scopes.value(ADMIN, "prod", "key") == b"second"
    assert scopes.value(ADMIN, "prod", "empty") == b""
    assert scopes.keys(ADMIN.principal, "prod") == [("empty", NOW), ("key", NOW)]
    scopes.remove(ADMIN, "prod", "key")
    with pytest.raises(NotFound, match="no secret 'key' in the scope 'prod'"):
        scopes.value(ADMIN, "prod", "key")
    scopes.delete(ADMIN, "prod")
    assert scopes.names(ADMIN.principal) == []


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a}}", "ä", "a" * 129, "a\n"])
def test_names_are_bounded(scopes: SecretScopes, name: str) -> None:
    """What could not stand in a reference is no name, neither of a scope nor of a key."""
    scopes.create(ADMIN, "a" * 128)
    with pytest.raises(InvalidParameter, match="scope"):
        scopes.create(ADMIN, name)
    with pytest.raises(InvalidParameter, match="key"):
        scopes.put(ADMIN, "a" * 128, name, b"")


def test_what_is_there_is_not_made_again(scopes: SecretScopes) -> None:
    """A second scope of a name is refused, and what is not there cannot be used."""
    scopes.create(ADMIN, "prod")
    with pytest.raises(AlreadyExists):
        scopes.create(ADMIN, "prod")
    for attempt in (
        lambda: scopes.delete(ADMIN, "dev"),
        lambda: scopes.put(ADMIN, "dev", "key", b""),
        lambda: scopes.keys(ADMIN.principal, "dev"),
        lambda: scopes.remove(ADMIN, "prod", "key"),
        lambda: scopes.put_acl(ADMIN, "dev", "users", ScopeLevel.READ),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_sizes_and_numbers_are_bounded(store: Store, scopes: SecretScopes) -> None:
    """A value of 128 KB is kept and no larger one; no scope has over 1000 secrets, and there are 1000 scopes."""
    scopes.create(ADMIN, "prod")
    scopes.put(ADMIN, "prod", "large", b"x" * MAX_VALUE)
    with pytest.raises(InvalidParameter, match="at most 131072 bytes, not 131073") as caught:
        scopes.put(ADMIN, "prod", "large", b"x" * (MAX_VALUE + 1))
    assert "xxx" not in caught.value.message
    with store.write() as work:
        for number in range(MAX_SECRETS - 1):
            work.secrets.put("prod", f"key-{number}", b"", NOW)
        for number in range(MAX_SCOPES - 1):
            work.secrets.add_scope(Scope(f"scope-{number}", None, NOW))
    scopes.put(ADMIN, "prod", "large", b"again")
    with pytest.raises(QuotaExceeded):
        scopes.put(ADMIN, "prod", "one-more", b"")
    with pytest.raises(QuotaExceeded):
        scopes.create(ADMIN, "one-more")


# ---------------------------------------------------------------- who may

Attempt = Callable[[SecretScopes, Caller], object]

ATTEMPTS: list[tuple[ScopeLevel, Attempt]] = [
    (ScopeLevel.READ, lambda scopes, who: scopes.keys(who.principal, "prod")),
    (ScopeLevel.READ, lambda scopes, who: scopes.value(who, "prod", "key")),
    (ScopeLevel.WRITE, lambda scopes, who: scopes.put(who, "prod", "key", b"")),
    (ScopeLevel.WRITE, lambda scopes, who: scopes.remove(who, "prod", "key")),
    (ScopeLevel.MANAGE, lambda scopes, who: scopes.acls(who.principal, "prod")),
    (ScopeLevel.MANAGE, lambda scopes, who: scopes.acl(who.principal, "prod", "admin")),
    (ScopeLevel.MANAGE, lambda scopes, who: scopes.put_acl(who, "prod", "users", ScopeLevel.READ)),
    (ScopeLevel.MANAGE, lambda scopes, who: scopes.remove_acl(who, "prod", "admin")),
    (ScopeLevel.MANAGE, lambda scopes, who: scopes.delete(who, "prod")),
]


@pytest.mark.parametrize("level", [None, *ScopeLevel])
def test_each_use_needs_its_level(store: Store, scopes: SecretScopes, level: ScopeLevel | None) -> None:
    """Whoever has a level may do what it stands for and nothing more; others leave no trace but a refusal."""
    scopes.create(ADMIN, "prod")
    ann = add_user(store, "ann")
    if level is not None:
        scopes.put_acl(ADMIN, "prod", "ann", level)
    assert scopes.names(ann.principal) == ([] if level is None else ["prod"])
    for needed, attempt in ATTEMPTS:
        scopes.put(ADMIN, "prod", "key", b"value")
        entries = len(audit_log(store))
        if level is not None and level >= needed:
            attempt(scopes, ann)
        else:
            with pytest.raises(PermissionDenied, match=f"'ann' lacks {needed.name} on the secret scope 'prod'"):
                attempt(scopes, ann)
            assert len(audit_log(store)) == entries


def test_a_maker_manages_and_groups_inherit(store: Store, scopes: SecretScopes) -> None:
    """Who makes a scope manages it; a group's level is its members'; `users` is everybody."""
    ann, bob = add_user(store, "ann"), add_user(store, "bob", "writers")
    scopes.create(ann, "anns")
    scopes.put_acl(ann, "anns", "writers", ScopeLevel.WRITE)
    scopes.put(bob, "anns", "key", b"")
    with pytest.raises(PermissionDenied):
        scopes.delete(bob, "anns")
    assert scopes.acls(ann.principal, "anns") == [("ann", ScopeLevel.MANAGE), ("writers", ScopeLevel.WRITE)]
    assert scopes.acl(ann.principal, "anns", "writers") is ScopeLevel.WRITE
    scopes.remove_acl(ann, "anns", "writers")
    with pytest.raises(PermissionDenied):
        scopes.put(bob, "anns", "key", b"")
    scopes.create(ADMIN, "everybodys", for_all=True)
    assert scopes.acls(ADMIN.principal, "everybodys") == [("users", ScopeLevel.MANAGE)]


def test_permissions_are_for_those_who_exist(scopes: SecretScopes) -> None:
    """A name that nobody has is refused, and taking what nobody has is told."""
    scopes.create(ADMIN, "prod")
    cases: list[tuple[type[Problem], Callable[[], object]]] = [
        (InvalidParameter, lambda: scopes.put_acl(ADMIN, "prod", "nobody", ScopeLevel.READ)),
        (InvalidParameter, lambda: scopes.acl(ADMIN.principal, "prod", "nobody")),
        (NotFound, lambda: scopes.acl(ADMIN.principal, "prod", "users")),
        (NotFound, lambda: scopes.remove_acl(ADMIN, "prod", "nobody")),
        (NotFound, lambda: scopes.remove_acl(ADMIN, "prod", "users")),
    ]
    for kind, attempt in cases:
        with pytest.raises(kind, match="principal"):
            attempt()


def test_every_change_and_every_reading_of_a_value_is_in_the_audit_log(store: Store, scopes: SecretScopes) -> None:
    """Who did what to which secret is told, and never a value."""
    scopes.create(ADMIN, "prod")
    scopes.put(ADMIN, "prod", "key", b"sk-marker")
    scopes.value(ADMIN, "prod", "key")
    scopes.put_acl(ADMIN, "prod", "users", ScopeLevel.READ)
    scopes.remove_acl(ADMIN, "prod", "users")
    scopes.remove(ADMIN, "prod", "key")
    scopes.delete(ADMIN, "prod")
    entries = audit_log(store)
    assert [(entry.action, entry.target) for entry in entries] == [
        ("scope.create", "prod"),
        ("secret.put", "prod/key"),
        ("secret.get", "prod/key"),
        ("scope.grant", "prod"),
        ("scope.revoke", "prod"),
        ("secret.delete", "prod/key"),
        ("scope.delete", "prod"),
    ]
    assert entries[3].after == '{"principal":"users","permission":"READ"}'
    assert "sk-marker" not in repr(entries)


def test_the_longest_names_fit_into_the_audit_log(scopes: SecretScopes, store: Store) -> None:
    """A scope and a key of 128 characters each are told whole."""
    scopes.create(ADMIN, "s" * 128)
    scopes.put(ADMIN, "s" * 128, "k" * 128, b"")
    assert audit_log(store)[-1].target == f"{'s' * 128}/{'k' * 128}"
