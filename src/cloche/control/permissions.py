"""Who may do what with an endpoint: shown, explained, replaced and merged.

Keeps levels by the ids of endpoint and subject, so that names may change.  Whoever has CAN_MANAGE may take it from
anybody but themselves: that slip nobody but an administrator could undo, and who really means it asks another manager.
Must not know JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cloche.control.auditing import note
from cloche.control.directory import Directory
from cloche.control.permission_reasons import explain
from cloche.control.publish import Publisher
from cloche.domain.access import Caller, Kind, Level, Principal, level_of
from cloche.domain.errors import InvalidFields, InvalidParameter, NotFound, PermissionDenied
from cloche.snapshot import CompiledEndpoint
from cloche.store.work import Work
from cloche.wire.permissions import Entry, Explanation, Shown


class Permissions:
    """The use-cases.  `now_ms` is the clock."""

    def __init__(self, publisher: Publisher, now_ms: Callable[[], int]) -> None:
        self._publisher = publisher
        self._now_ms = now_ms

    def of(self, endpoint_id: str) -> list[Shown]:
        """The levels given on an endpoint, as they are in force.  NotFound."""
        directory, compiled = self._current(endpoint_id)
        shown = (_shown(directory, subject, level) for subject, level in compiled.levels.items())
        return sorted(shown, key=lambda each: (each.kind.value, each.name))

    def explain(self, principal: Principal, endpoint_id: str, name: str | None, wanted: Level) -> Explanation:
        """Why somebody may or may not; without a name the one who asks.  PermissionDenied, where it is about another
        and who asks does not manage the endpoint; NotFound."""
        directory, compiled = self._current(endpoint_id)
        about = name or principal.name
        if about != principal.name and level_of(principal, compiled.levels) is not Level.CAN_MANAGE:
            raise PermissionDenied(
                f"'{principal.name}' lacks CAN_MANAGE on the serving endpoint '{compiled.endpoint.name}', and may ask "
                "about themselves only"
            )
        return explain(directory, compiled, about, wanted)

    def _current(self, endpoint_id: str) -> tuple[Directory, CompiledEndpoint]:
        """Everybody, and an endpoint, as they are in force.  NotFound."""
        snapshot = self._publisher.current()
        compiled = snapshot.with_id(endpoint_id)
        if compiled is None:
            raise _unknown(endpoint_id)
        return Directory(snapshot.state.identities, snapshot.state.groups), compiled

    def replace(self, caller: Caller, endpoint_id: str, entries: list[Entry]) -> None:
        """Give exactly these levels.  InvalidFields, InvalidParameter, NotFound."""
        self._change(caller, endpoint_id, entries, keep=False)

    def merge(self, caller: Caller, endpoint_id: str, entries: list[Entry]) -> None:
        """Give these levels and leave those of others.  InvalidFields, InvalidParameter, NotFound."""
        self._change(caller, endpoint_id, entries, keep=True)

    def _change(self, caller: Caller, endpoint_id: str, entries: list[Entry], *, keep: bool) -> None:
        with self._publisher.change() as work:
            name = _name_of(work, endpoint_id)
            directory = Directory.of(work)
            before = work.permissions.of(endpoint_id)
            after = (before if keep else {}) | _by_id(directory, entries)
            if level_of(caller.principal, after) is not Level.CAN_MANAGE:
                raise InvalidParameter(
                    "access_control_list: this would take CAN_MANAGE from yourself; keep it, or have another manager "
                    "of the endpoint make this change"
                )
            work.permissions.replace(endpoint_id, after)
            told = {"before": _told(directory, before), "after": _told(directory, after)}
            note(work, caller, "permissions.change", name, self._now_ms(), **told)


def _name_of(work: Work, endpoint_id: str) -> str:
    found = work.endpoints.get(endpoint_id)
    if found is None:
        raise _unknown(endpoint_id)
    return found.name


def _unknown(endpoint_id: str) -> NotFound:
    return NotFound(f"There is no serving endpoint with the id '{endpoint_id}'.")


def _by_id(directory: Directory, entries: list[Entry]) -> dict[str, Level]:
    found: dict[str, Level] = {}
    faults = []
    for entry in entries:
        subject = directory.named(entry.kind, entry.name)
        if subject is None:
            faults.append((entry.field, f"there is no {entry.kind.value.replace('_', ' ')} named '{entry.name}'"))
        elif subject in found:
            faults.append((entry.field, f"'{entry.name}' is given two levels"))
        else:
            found[subject] = entry.level
    if faults:
        raise InvalidFields(faults)
    return found


def _shown(directory: Directory, subject: str, level: Level) -> Shown:
    identity = directory.identities.get(subject)
    if identity is not None:
        return Shown(identity.kind, identity.name, identity.display_name, level)
    group = directory.groups.get(subject)
    return Shown(Kind.GROUP, subject if group is None else group.name, "", level)


def _told(directory: Directory, levels: Mapping[str, Level]) -> dict[str, str]:
    return {_shown(directory, subject, level).name: level.name for subject, level in sorted(levels.items())}
