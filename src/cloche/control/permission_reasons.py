"""Why somebody may, or may not, do something with an endpoint: every way in which they have a level on it.

The rules are those of `domain.access`; here they are told one by one.  Must not know who asks.
"""

from __future__ import annotations

from collections.abc import Mapping

from cloche.control.directory import Directory
from cloche.domain.access import ADMINS_ID, Group, Identity, Kind, Level
from cloche.domain.endpoint import Endpoint
from cloche.domain.errors import NotFound
from cloche.snapshot import CompiledEndpoint
from cloche.wire.permissions import Explanation, Reason


def explain(directory: Directory, compiled: CompiledEndpoint, name: str, wanted: Level) -> Explanation:
    """The reasons of the user, service principal or group of that name, the strongest first.  NotFound."""
    subject = _named(directory, name)
    reasons = _reasons(directory, compiled, subject)
    best = max((Level[each.level] for each in reasons), default=None)
    active = isinstance(subject, Group) or subject.active
    allowed = active and best is not None and best >= wanted
    return Explanation(
        principal=subject.name,
        kind=(Kind.GROUP if isinstance(subject, Group) else subject.kind).value,
        level_wanted=wanted.name,
        allowed=allowed,
        level=None if best is None else best.name,
        reasons=reasons,
        advice="" if allowed else _advice(subject, compiled.endpoint, wanted, best),
    )


def _named(directory: Directory, name: str) -> Identity | Group:
    everybody: list[Identity | Group] = [*directory.identities.values(), *directory.groups.values()]
    found = next((each for each in everybody if each.name == name), None)
    if found is None:
        raise NotFound(f"principal: there is no user, service principal or group named '{name}'")
    return found


def _reasons(directory: Directory, compiled: CompiledEndpoint, subject: Identity | Group) -> list[Reason]:
    found = []
    direct = compiled.levels.get(subject.id)
    if direct is not None:
        made_it = direct is Level.CAN_MANAGE and compiled.endpoint.creator == subject.name
        found.append(Reason(direct.name, "creator" if made_it else "direct"))
    ways = _ways(directory, subject.id)
    if subject.id == ADMINS_ID or ADMINS_ID in ways:
        found.append(Reason(Level.CAN_MANAGE.name, "admin", directory.groups[ADMINS_ID].name))
    for group_id, way in ways.items():
        level = compiled.levels.get(group_id)
        if level is not None and group_id != ADMINS_ID:
            found.append(Reason(level.name, "group", directory.groups[group_id].name, way))
    return sorted(found, key=lambda each: -Level[each.level])


def _ways(directory: Directory, subject_id: str) -> Mapping[str, list[str]]:
    """Every group that something is in, with the groups in between by name, the nearest first."""
    ways: dict[str, list[str]] = {}
    waiting: list[tuple[str, list[str]]] = [(subject_id, [])]
    while waiting:
        inside, way = waiting.pop(0)
        for group in directory.groups_with(inside):
            if group.id not in ways:
                ways[group.id] = way
                waiting.append((group.id, [*way, group.name]))
    return ways


def _advice(subject: Identity | Group, endpoint: Endpoint, wanted: Level, best: Level | None) -> str:
    """What would help."""
    if isinstance(subject, Identity) and not subject.active:
        return (
            f"'{subject.name}' is deactivated and is refused whatever it was given: an administrator can activate it "
            "again."
        )
    has = "no level" if best is None else best.name
    return (
        f"'{subject.name}' has {has} on '{endpoint.name}' and needs {wanted.name}: whoever has CAN_MANAGE on it can "
        "give that, to it or to a group that it is in."
    )
