"""What can be done with users, service principals and groups.

Owns ids, times and the rules that JSON cannot have: names are unique among all of them, members exist, groups do not
contain themselves, `admins` and `users` stay, and an active administrator is always left.  Whoever is removed or
deactivated is out at once, because the snapshot knows the active ones only.
Must not know SCIM: a change is a function from what is kept to what is to be kept, run inside the transaction.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from cloche.control.auditing import note
from cloche.control.directory import Directory
from cloche.control.publish import Publisher
from cloche.domain.access import ADMINS_ID, USERS_ID, Caller, Group, Identity, Kind
from cloche.domain.errors import AlreadyExists, InvalidFields, InvalidParameter, NotFound
from cloche.store.work import Work

_BUILT_IN = frozenset((ADMINS_ID, USERS_ID))

EditIdentity = Callable[[Identity, Directory], Identity]
EditGroup = Callable[[Group, Directory], Group]


class People:
    """The use-cases.  `now_ms` is the clock."""

    def __init__(self, publisher: Publisher, now_ms: Callable[[], int]) -> None:
        self._publisher = publisher
        self._now_ms = now_ms

    def directory(self) -> Directory:
        """Everybody, as it is in force."""
        state = self._publisher.current().state
        groups = [
            replace(group, members=frozenset(each.id for each in state.identities)) if group.id == USERS_ID else group
            for group in state.groups
        ]
        return Directory(state.identities, groups)

    def identity(self, kind: Kind, identity_id: str) -> Identity:
        """The user or service principal of that id.  NotFound."""
        return _known(self.directory(), kind, identity_id)

    def group(self, group_id: str) -> Group:
        """The group of that id.  NotFound."""
        return _known_group(self.directory(), group_id)

    # ---------------------------------------------------------------- users and service principals

    def add(self, caller: Caller, kind: Kind, edit: EditIdentity) -> Identity:
        """A new user or service principal, made of an empty one by `edit`.  AlreadyExists, and what `edit` raises."""
        with self._change() as (work, before):
            name = str(uuid.uuid4()) if kind is Kind.SERVICE_PRINCIPAL else ""
            fresh = Identity(_new_id(before), kind, name, "", created_at=self._now_ms())
            made = edit(fresh, before)
            _check_name(before, made)
            work.identities.put(made)
            note(work, caller, f"{kind.value}.create", made.name, self._now_ms(), after=made)
        return made

    def change(self, caller: Caller, kind: Kind, identity_id: str, edit: EditIdentity) -> Identity:
        """A user or service principal after `edit`.  NotFound, AlreadyExists, InvalidParameter for the last admin."""
        with self._change() as (work, before):
            kept = _known(before, kind, identity_id)
            changed = edit(kept, before)
            if kind is Kind.SERVICE_PRINCIPAL and changed.name != kept.name:
                raise InvalidFields([("applicationId", "cannot be changed: clients log in with it")])
            _check_name(before, changed)
            work.identities.put(changed)
            note(work, caller, f"{kind.value}.change", changed.name, self._now_ms(), before=kept, after=changed)
        return changed

    def remove(self, caller: Caller, kind: Kind, identity_id: str) -> None:
        """Forget a user or service principal with its tokens, secrets and levels.  NotFound, InvalidParameter."""
        with self._change() as (work, before):
            kept = _known(before, kind, identity_id)
            work.tokens.remove_of(identity_id)
            work.client_secrets.remove_of(identity_id)
            _take_levels(work, identity_id)
            work.identities.remove(identity_id)
            note(work, caller, f"{kind.value}.delete", kept.name, self._now_ms(), before=kept)

    # ---------------------------------------------------------------- groups

    def add_group(self, caller: Caller, edit: EditGroup) -> Group:
        """A new group, made of an empty one by `edit`.  AlreadyExists, InvalidFields, and what `edit` raises."""
        with self._change() as (work, before):
            made = edit(Group(_new_id(before), "", created_at=self._now_ms()), before)
            _check_name(before, made)
            _check_members(before, made)
            work.groups.put(made)
            note(work, caller, "group.create", made.name, self._now_ms(), after=_told(made))
        return made

    def change_group(self, caller: Caller, group_id: str, edit: EditGroup) -> Group:
        """A group after `edit`.  NotFound, AlreadyExists, InvalidFields, InvalidParameter for the last admin."""
        with self._change() as (work, before):
            kept = _known_group(before, group_id)
            changed = edit(kept, before)
            _check_name(before, changed)
            if group_id in _BUILT_IN and changed.name != kept.name:
                raise InvalidFields([("displayName", f"the group '{kept.name}' cannot be renamed")])
            if group_id == USERS_ID:
                changed = _of_everybody(before, changed)
            _check_members(before, changed)
            work.groups.put(changed)
            told = {"before": _told(kept), "after": _told(changed)}
            note(work, caller, "group.change", changed.name, self._now_ms(), **told)
        return changed

    def remove_group(self, caller: Caller, group_id: str) -> None:
        """Forget a group and its levels.  NotFound, InvalidParameter for a built-in one or the last admin's."""
        with self._change() as (work, before):
            kept = _known_group(before, group_id)
            if group_id in _BUILT_IN:
                raise InvalidParameter(f"the group '{kept.name}' cannot be deleted: it is part of every installation")
            _take_levels(work, group_id)
            work.groups.remove(group_id)
            note(work, caller, "group.delete", kept.name, self._now_ms(), before=_told(kept))

    @contextmanager
    def _change(self) -> Iterator[tuple[Work, Directory]]:
        """A change, with everybody as they are before it; refused if it would leave no administrator."""
        with self._publisher.change() as work:
            yield work, Directory.of(work)
            if not Directory.of(work).admins():
                raise InvalidParameter(
                    "this would leave no active administrator: put somebody else into the group 'admins' first"
                )


def _known(directory: Directory, kind: Kind, identity_id: str) -> Identity:
    found = directory.identities.get(identity_id)
    if found is None or found.kind is not kind:
        raise NotFound(f"id: there is no {kind.value.replace('_', ' ')} with the id '{identity_id}'")
    return found


def _known_group(directory: Directory, group_id: str) -> Group:
    found = directory.groups.get(group_id)
    if found is None:
        raise NotFound(f"id: there is no group with the id '{group_id}'")
    return found


def _new_id(directory: Directory) -> str:
    """16 digits, as on Databricks: clients read ids as numbers."""
    while True:
        found = str(secrets.randbelow(9 * 10**15) + 10**15)
        if found not in directory.identities and found not in directory.groups:
            return found


def _check_name(directory: Directory, made: Identity | Group) -> None:
    # Among all kinds, because the ACL of a secret scope names a principal without its kind.
    for taken in directory.others_named(made.name, made.id):
        raise AlreadyExists(f"'{made.name}': {taken}")


def _check_members(directory: Directory, group: Group) -> None:
    faults = []
    for member in sorted(group.members):
        if member not in directory.identities and member not in directory.groups:
            faults.append(("members", f"there is no user, service principal or group with the id '{member}'"))
        elif member == USERS_ID:
            faults.append(("members", "the group 'users' is everybody and cannot be in another group"))
        elif member == group.id or group.id in directory.everything_within(member):
            faults.append(("members", f"the group with the id '{member}' is this one, or contains it"))
    if faults:
        raise InvalidFields(faults)


def _of_everybody(directory: Directory, group: Group) -> Group:
    """The group `users` as it is kept: nobody is listed, because everybody is in it."""
    if group.members and group.members != directory.identities.keys():
        raise InvalidFields([("members", "everybody is in the group 'users', nobody can be added or removed")])
    return replace(group, members=frozenset())


def _take_levels(work: Work, subject_id: str) -> None:
    work.permissions.remove_of(subject_id)
    work.secrets.remove_acls_of(subject_id)


def _told(group: Group) -> dict[str, object]:
    """A group as the audit log tells it: members in an order, so that two entries can be compared."""
    return {"id": group.id, "name": group.name, "members": sorted(group.members), "entitlements": group.entitlements}
