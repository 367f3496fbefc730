"""How the server and what it rests on are doing, as one document for people who look after it.

Must not know how any of it is found out.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from cloche.wire.exposition import Totals

LOW_DISK = 100 * 1000 * 1000
"""Bytes that are free for the home, below which that is told."""


class DatabaseHealth(msgspec.Struct, frozen=True):
    """`latency_ms`: of a small question, now.  `revision`: of the configuration in force here.  `schema`: the one that
    this version of cloche brings a database to."""

    kind: Literal["sqlite", "postgresql"]
    reachable: bool
    latency_ms: float | None
    revision: int
    schema: str


class ValkeyHealth(msgspec.Struct, frozen=True):
    """As the process sees it that answers."""

    configured: bool
    reachable: bool


class HomeHealth(msgspec.Struct, frozen=True):
    """The home of the host that answers.  `free_bytes`: null where that cannot be told.  `problem`: why it cannot be
    written; null where it can."""

    free_bytes: int | None
    problem: str | None


class EngineHealth(msgspec.Struct, frozen=True):
    """A local model of this host.  `state`: in the API's words for a deployment."""

    model: str
    state: str
    message: str
    waiting: int
    active: int


class BreakerHealth(msgspec.Struct, frozen=True):
    """A circuit breaker: the worst state over the processes of this host."""

    endpoint: str
    entity: str
    state: str


class EndpointsHealth(msgspec.Struct, frozen=True):
    """How many there are, how many can serve, and of how many the last update failed."""

    total: int
    ready: int
    failed: int


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """What everybody is told, and what administrators are told besides."""

    status: Literal["ok", "degraded"]
    version: str
    started_at: int
    workers: int
    endpoints: EndpointsHealth
    problems: list[str] | UnsetType = UNSET
    database: DatabaseHealth | UnsetType = UNSET
    valkey: ValkeyHealth | UnsetType | None = UNSET
    home: HomeHealth | UnsetType = UNSET
    engines: list[EngineHealth] | UnsetType = UNSET
    breakers: list[BreakerHealth] | UnsetType = UNSET
    usage_rows_waiting: int | UnsetType = UNSET
    payload_rows_waiting: int | UnsetType = UNSET
    log_lines_lost: int | UnsetType = UNSET
    resident_bytes: int | UnsetType = UNSET


class Details(msgspec.Struct, frozen=True):
    """What is for administrators.  `totals`: of all processes of this host."""

    database: DatabaseHealth
    valkey: ValkeyHealth | None
    home: HomeHealth
    engines: list[EngineHealth]
    breakers: list[BreakerHealth]
    totals: Totals


def problems(details: Details, endpoints: EndpointsHealth) -> list[str]:
    """What is not as it should be, in words; the first is the worst."""
    found = []
    if not details.database.reachable:
        found.append("the database does not answer: calls go on, changes are not possible")
    if details.valkey is not None and not details.valkey.reachable:
        found.append("Valkey does not answer")
    found += _unwritten(details)
    found += [
        f"the model {each.model} is {each.state}" + (f": {each.message}" if each.message else "")
        for each in details.engines
        if each.state in ("DEPLOYMENT_FAILED", "DEPLOYMENT_RECOVERING")
    ]
    waiting = endpoints.total - endpoints.ready
    if waiting:
        found.append(f"{waiting} of {endpoints.total} endpoints cannot serve now")
    found += [
        f"the circuit breaker of {each.endpoint}/{each.entity} is {each.state}"
        for each in details.breakers
        if each.state != "CLOSED"
    ]
    return found


def _unwritten(details: Details) -> list[str]:
    """What of the things that are to be kept cannot be."""
    home, gauges = details.home, details.totals.gauges
    found = []
    if home.problem is not None:
        found.append(f"the home cannot be written ({home.problem}): changes, usage and payloads cannot be kept")
    elif home.free_bytes is not None and home.free_bytes < LOW_DISK:
        found.append(f"the disk of the home is nearly full: {home.free_bytes // 1_000_000} MB are free")
    if gauges.get("cloche_stuck_writers"):
        found.append("usage or payloads can be kept nowhere and wait in memory: the log says why")
    if gauges.get("cloche_spooling_writers") and details.database.reachable:
        found.append("the database takes no rows of usage, which wait in the home: the log says why")
    return found


def whole(brief: Health, details: Details, told: list[str]) -> Health:
    """The document for administrators."""
    counts = details.totals.gauges | details.totals.counters
    return msgspec.structs.replace(
        brief,
        problems=told,
        database=details.database,
        valkey=details.valkey,
        home=details.home,
        engines=details.engines,
        breakers=details.breakers,
        usage_rows_waiting=int(counts.get("cloche_usage_rows_waiting", 0)),
        payload_rows_waiting=int(counts.get("cloche_payload_rows_waiting", 0)),
        log_lines_lost=int(counts.get("cloche_log_lines_lost_total", 0)),
        resident_bytes=int(counts.get("cloche_resident_memory_bytes", 0)),
    )
