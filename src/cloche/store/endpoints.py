"""Endpoints, the versions of their configuration, and what was said while a version was brought up.

Must not know what a configuration means, nor mint ids, numbers or times.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from cloche.domain.endpoint import Configuration, Endpoint, Properties, Update, Version
from cloche.store.tables import build_log, endpoints, permissions, versions


class BuildLine(msgspec.Struct, frozen=True):
    """One line of a build log.  `at`: Unix milliseconds."""

    version: int
    entity: str
    at: int
    line: str


class EndpointTable:
    """Rows of `endpoints`, `versions` and `build_log`, within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, endpoint: Endpoint) -> None:
        """Keep an endpoint, in place of the one with its id; its versions must have been added."""
        values = {
            "name": endpoint.name,
            "creator": endpoint.creator,
            "created_at": endpoint.created_at,
            "updated_at": endpoint.updated_at,
            "properties": _text(endpoint.properties),
            "active": None if endpoint.active is None else endpoint.active.number,
            "pending": None if endpoint.pending is None else endpoint.pending.number,
            "config_update": endpoint.update.value,
            "update_message": endpoint.update_message,
        }
        if not self._connection.execute(
            update(endpoints).where(endpoints.c.id == endpoint.id).values(**values)
        ).rowcount:
            self._connection.execute(insert(endpoints).values(id=endpoint.id, **values))

    def get(self, endpoint_id: str) -> Endpoint | None:
        """The endpoint of that id."""
        return self._one(endpoints.c.id == endpoint_id)

    def named(self, name: str) -> Endpoint | None:
        """The endpoint of that name."""
        return self._one(endpoints.c.name == name)

    def all(self) -> list[Endpoint]:
        """Every endpoint, in the order they were made."""
        wanted = or_(versions.c.number == endpoints.c.active, versions.c.number == endpoints.c.pending)
        joined = select(versions).join(endpoints, endpoints.c.id == versions.c.endpoint_id).where(wanted)
        found = {(row.endpoint_id, row.number): _version(row) for row in self._connection.execute(joined)}
        rows = self._connection.execute(select(endpoints).order_by(endpoints.c.created_at, endpoints.c.name))
        return [_endpoint(row, found) for row in rows]

    def count(self) -> int:
        """How many there are."""
        return int(self._connection.execute(select(func.count()).select_from(endpoints)).scalar_one())

    def remove(self, endpoint_id: str) -> bool:
        """Forget an endpoint with its versions, build log and permissions; whether it was there."""
        for owned in (versions, build_log, permissions):
            self._connection.execute(delete(owned).where(owned.c.endpoint_id == endpoint_id))
        return self._connection.execute(delete(endpoints).where(endpoints.c.id == endpoint_id)).rowcount > 0

    def _one(self, where: object) -> Endpoint | None:
        row = self._connection.execute(select(endpoints).where(where)).one_or_none()  # type: ignore[arg-type]
        if row is None:
            return None
        found = {(row.id, version.number): version for version in self.versions(row.id)}
        return _endpoint(row, found)

    # ---------------------------------------------------------------- versions

    def add_version(self, endpoint_id: str, version: Version) -> None:
        """Keep a version; its number must be new."""
        self._connection.execute(
            insert(versions).values(
                endpoint_id=endpoint_id,
                number=version.number,
                configuration=_text(version.configuration),
                created_at=version.created_at,
                created_by=version.created_by,
            )
        )

    def versions(self, endpoint_id: str) -> list[Version]:
        """Every version of an endpoint, the newest first."""
        rows = self._connection.execute(
            select(versions).where(versions.c.endpoint_id == endpoint_id).order_by(versions.c.number.desc())
        )
        return [_version(row) for row in rows]

    def next_number(self, endpoint_id: str) -> int:
        """The number of the next version."""
        newest = select(func.max(versions.c.number)).where(versions.c.endpoint_id == endpoint_id)
        return (self._connection.execute(newest).scalar_one_or_none() or 0) + 1

    # ---------------------------------------------------------------- bringing a version up

    def claim(self, endpoint_id: str, deployer: str, now_ms: int, until_ms: int) -> bool:
        """Take or renew the lease on an endpoint's pending version; False if somebody else has it now."""
        free = or_(endpoints.c.deployer.is_(None), endpoints.c.deployer == deployer, endpoints.c.lease_until < now_ms)
        pending = (endpoints.c.id == endpoint_id) & (endpoints.c.config_update == Update.IN_PROGRESS.value)
        taken = update(endpoints).where(pending, free).values(deployer=deployer, lease_until=until_ms)
        return self._connection.execute(taken).rowcount > 0

    def release(self, endpoint_id: str, deployer: str) -> None:
        """Give the lease up, unless somebody else has it by now."""
        own = (endpoints.c.id == endpoint_id) & (endpoints.c.deployer == deployer)
        given = update(endpoints).where(own).values(deployer=None, lease_until=None)
        self._connection.execute(given)

    def add_build_line(self, endpoint_id: str, line: BuildLine) -> None:
        """Add a line at the end of a build log."""
        self._connection.execute(insert(build_log).values(endpoint_id=endpoint_id, **msgspec.structs.asdict(line)))

    def build_log(self, endpoint_id: str, entity: str) -> list[BuildLine]:
        """Every line about an entity, the oldest first."""
        wanted = (build_log.c.endpoint_id == endpoint_id) & (build_log.c.entity == entity)
        rows = self._connection.execute(select(build_log).where(wanted).order_by(build_log.c.id))
        return [BuildLine(row.version, row.entity, row.at, row.line) for row in rows]


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _version(row: Row[tuple[object, ...]]) -> Version:
    configuration = msgspec.json.decode(row.configuration, type=Configuration)
    return Version(row.number, configuration, row.created_at, row.created_by)


def _endpoint(row: Row[tuple[object, ...]], found: dict[tuple[str, int], Version]) -> Endpoint:
    return Endpoint(
        id=row.id,
        name=row.name,
        creator=row.creator,
        created_at=row.created_at,
        updated_at=row.updated_at,
        properties=msgspec.json.decode(row.properties, type=Properties),
        active=None if row.active is None else found[row.id, row.active],
        pending=None if row.pending is None else found[row.id, row.pending],
        update=Update(row.config_update),
        update_message=row.update_message,
    )
