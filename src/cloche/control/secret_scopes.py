"""What can be done with secret scopes: make and remove them, put, read and remove values, say who may.

Owns the rules of the secrets API: names, sizes, numbers and levels.  A change of a value that an endpoint uses is in
force when the call is answered, and a removal that would take a serving endpoint its credentials is refused by the
publisher.  Hidden scopes, in which endpoints keep their plaintext credentials, do not exist here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from cloche.control.auditing import note
from cloche.control.publish import Publisher
from cloche.control.secret_references import place
from cloche.control.secrets import HIDDEN, level_on
from cloche.domain.access import USERS_ID, Caller, Principal, ScopeLevel
from cloche.domain.errors import AlreadyExists, InvalidParameter, NotFound, PermissionDenied, QuotaExceeded
from cloche.store.secrets import Scope
from cloche.store.work import Work

MAX_SCOPES = 1000
MAX_SECRETS = 1000
"""In one scope, as on Databricks."""

MAX_VALUE = 128 * 1024
"""Bytes of one value."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


class SecretScopes:
    """The use-cases.  `now_ms` is the clock.

    All raise NotFound for what is not there or hidden, and PermissionDenied where the caller's level on the scope is
    too low: READ to list and read, WRITE to change values, MANAGE for all else.
    """

    def __init__(self, publisher: Publisher, now_ms: Callable[[], int]) -> None:
        self._publisher = publisher
        self._now_ms = now_ms

    # ---------------------------------------------------------------- scopes

    def create(self, caller: Caller, name: str, *, for_all: bool = False) -> None:
        """Make a scope, which its maker manages, or everybody.  InvalidParameter, AlreadyExists, QuotaExceeded."""
        _check_name("scope", name)
        if name.startswith(HIDDEN):
            raise InvalidParameter(f"scope: names that begin with '{HIDDEN}' are reserved")
        with self._publisher.change() as work:
            if work.secrets.scope(name) is not None:
                raise AlreadyExists(f"scope: there is a secret scope '{name}' already")
            if sum(scope.endpoint_id is None for scope in work.secrets.scopes()) >= MAX_SCOPES:
                raise QuotaExceeded(f"there are {MAX_SCOPES} secret scopes already: delete one first")
            work.secrets.add_scope(Scope(name, None, self._now_ms()))
            work.secrets.put_acl(name, USERS_ID if for_all else caller.principal.id, ScopeLevel.MANAGE)
            note(work, caller, "scope.create", name, self._now_ms(), after={"managed_by_all": for_all})

    def names(self, principal: Principal) -> list[str]:
        """The scopes that a principal may read, by name."""
        with self._publisher.store.read() as work:
            shown = (scope.name for scope in work.secrets.scopes() if scope.endpoint_id is None)
            return [name for name in shown if level_on(work, principal, name) is not None]

    def delete(self, caller: Caller, name: str) -> None:
        """Remove a scope with all that is in it.  InvalidParameter while a serving endpoint uses a secret of it."""
        with self._publisher.change() as work:
            _check_level(work, caller.principal, name, ScopeLevel.MANAGE)
            lost = [key for key, _ in work.secrets.keys(name)]
            work.secrets.remove_scope(name)
            note(work, caller, "scope.delete", name, self._now_ms(), before={"keys": lost})

    # ---------------------------------------------------------------- values

    def put(self, caller: Caller, scope: str, key: str, value: bytes) -> None:
        """Keep a value, in place of the one that was there.  InvalidParameter, QuotaExceeded."""
        _check_name("key", key)
        if len(value) > MAX_VALUE:
            raise InvalidParameter(f"string_value: a value has at most {MAX_VALUE} bytes, not {len(value)}")
        with self._publisher.change() as work:
            _check_level(work, caller.principal, scope, ScopeLevel.WRITE)
            is_new = work.secrets.get(scope, key) is None
            if is_new and len(work.secrets.keys(scope)) >= MAX_SECRETS:
                raise QuotaExceeded(f"the scope '{scope}' has {MAX_SECRETS} secrets already: delete one first")
            sealed = self._publisher.store.sealer.seal(value, place(scope, key))
            work.secrets.put(scope, key, sealed, self._now_ms())
            note(work, caller, "secret.put", f"{scope}/{key}", self._now_ms(), after={"is_new": is_new})

    def keys(self, principal: Principal, scope: str) -> list[tuple[str, int]]:
        """(key, time of the last change in Unix milliseconds) of every secret in a scope."""
        with self._publisher.store.read() as work:
            _check_level(work, principal, scope, ScopeLevel.READ)
            return work.secrets.keys(scope)

    def value(self, caller: Caller, scope: str, key: str) -> bytes:
        """A secret's value.  That it was read is in the audit log.  CannotOpen if its master key is lost."""
        with self._publisher.store.write(publish=False) as work:
            # First the entry: SQLite refuses to write after a read if somebody else wrote in between.
            note(work, caller, "secret.get", f"{scope}/{key}", self._now_ms())
            _check_level(work, caller.principal, scope, ScopeLevel.READ)
            sealed = work.secrets.get(scope, key)
            if sealed is None:
                raise _no_secret(scope, key)
        return self._publisher.store.sealer.open(sealed, place(scope, key))

    def remove(self, caller: Caller, scope: str, key: str) -> None:
        """Remove a secret.  InvalidParameter while a serving endpoint uses it."""
        with self._publisher.change() as work:
            _check_level(work, caller.principal, scope, ScopeLevel.WRITE)
            if not work.secrets.remove(scope, key):
                raise _no_secret(scope, key)
            note(work, caller, "secret.delete", f"{scope}/{key}", self._now_ms())

    # ---------------------------------------------------------------- who may

    def put_acl(self, caller: Caller, scope: str, name: str, level: ScopeLevel) -> None:
        """Give the principal or group of a name a level, in place of the one it had.  InvalidParameter: nobody is
        named so."""
        with self._publisher.change() as work:
            _check_level(work, caller.principal, scope, ScopeLevel.MANAGE)
            subject = _subject(work, name)
            before = work.secrets.acls(scope).get(subject)
            work.secrets.put_acl(scope, subject, level)
            note(
                work,
                caller,
                "scope.grant",
                scope,
                self._now_ms(),
                before=_acl(name, before),
                after=_acl(name, level),
            )

    def acl(self, principal: Principal, scope: str, name: str) -> ScopeLevel:
        """The level that the principal or group of a name was given itself.  InvalidParameter: nobody is named so."""
        with self._publisher.store.read() as work:
            _check_level(work, principal, scope, ScopeLevel.MANAGE)
            level = work.secrets.acls(scope).get(_subject(work, name))
            if level is None:
                raise _no_acl(scope, name)
            return level

    def acls(self, principal: Principal, scope: str) -> list[tuple[str, ScopeLevel]]:
        """(name, level) of everybody who was given one."""
        with self._publisher.store.read() as work:
            _check_level(work, principal, scope, ScopeLevel.MANAGE)
            names = {each.id: each.name for each in work.identities.all()}
            names |= {group.id: group.name for group in work.groups.all()}
            given = work.secrets.acls(scope)
            return sorted((names[subject], level) for subject, level in given.items() if subject in names)

    def remove_acl(self, caller: Caller, scope: str, name: str) -> None:
        """Take the level from the principal or group of a name."""
        with self._publisher.change() as work:
            _check_level(work, caller.principal, scope, ScopeLevel.MANAGE)
            try:
                subject = _subject(work, name)
            except InvalidParameter:
                raise _no_acl(scope, name) from None
            before = work.secrets.acls(scope).get(subject)
            if not work.secrets.remove_acl(scope, subject):
                raise _no_acl(scope, name)
            note(work, caller, "scope.revoke", scope, self._now_ms(), before=_acl(name, before))


def _check_name(field: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidParameter(f"{field}: must be 1 to 128 letters, digits, '-', '_' or '.'")


def _check_level(work: Work, principal: Principal, scope: str, needed: ScopeLevel) -> None:
    found = work.secrets.scope(scope)
    if found is None or found.endpoint_id is not None:
        raise NotFound(f"scope: there is no secret scope '{scope}'")
    level = level_on(work, principal, scope)
    if level is None or level < needed:
        raise PermissionDenied(f"'{principal.name}' lacks {needed.name} on the secret scope '{scope}'")


def _subject(work: Work, name: str) -> str:
    """The id of the principal or group of a name."""
    found = work.identities.named(name) or work.groups.named(name)
    if found is None:
        raise InvalidParameter(f"principal: no user, service principal or group is named '{name}'")
    return found.id


def _acl(name: str, level: ScopeLevel | None) -> dict[str, str] | None:
    return None if level is None else {"principal": name, "permission": level.name}


def _no_secret(scope: str, key: str) -> NotFound:
    return NotFound(f"key: there is no secret '{key}' in the scope '{scope}'")


def _no_acl(scope: str, name: str) -> NotFound:
    return NotFound(f"principal: '{name}' has no permission of its own on the secret scope '{scope}'")
