"""Everybody at one moment: users, service principals and groups, found by id or name.

Made of a state that is in force or of a transaction, so that reading and checking a change are one and the same code.
Must not know how anybody is shown or kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloche.domain.access import USERS_ID, Group, Identity, Kind, Principal, principals
from cloche.store.work import Work


class Directory:
    """Looks everybody up."""

    def __init__(self, identities: Iterable[Identity], groups: Iterable[Group]) -> None:
        self.identities = {each.id: each for each in identities}
        self.groups = {each.id: each for each in groups}

    @classmethod
    def of(cls, work: Work) -> Directory:
        """As a transaction sees it."""
        return cls(work.identities.all(), work.groups.all())

    def of_kind(self, kind: Kind) -> list[Identity]:
        """All users, or all service principals."""
        return [each for each in self.identities.values() if each.kind is kind]

    def named(self, kind: Kind, name: str) -> str | None:
        """The id of the user, service principal or group of that name."""
        found: Iterable[Identity | Group] = self.groups.values() if kind is Kind.GROUP else self.of_kind(kind)
        return next((each.id for each in found if each.name == name), None)

    def others_named(self, name: str, own_id: str) -> Iterator[str]:
        """What else bears a name, upper and lower case being the same, in words."""
        for group in self.groups.values():
            if group.id != own_id and group.name.casefold() == name.casefold():
                yield f"a group is named '{group.name}' already"
        for identity in self.identities.values():
            if identity.id != own_id and identity.name.casefold() == name.casefold():
                yield f"a {identity.kind.value.replace('_', ' ')} is named '{identity.name}' already"

    def groups_with(self, member_id: str) -> list[Group]:
        """The groups that something is in directly; everybody is in `users`."""
        in_all = member_id in self.identities
        return [each for each in self.groups.values() if member_id in each.members or (in_all and each.id == USERS_ID)]

    def everything_within(self, group_id: str) -> set[str]:
        """Ids of all members of a group, and of the groups in it."""
        found: set[str] = set()
        waiting = [group_id]
        while waiting:
            group = self.groups.get(waiting.pop())
            for member in () if group is None else group.members:
                if member not in found:
                    found.add(member)
                    waiting.append(member)
        return found

    def admins(self) -> list[Principal]:
        """The active administrators, the oldest first."""
        return [each for each in principals(self.identities, self.groups).values() if each.admin]
