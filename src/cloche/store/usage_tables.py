"""The usage tables as they are now, and what whoever asks them has in common; tables.py has all others.

Times are timestamps in UTC without a zone, and structures are JSON: people ask these tables in SQL, and `date(…)` of a
column is the same on both databases.
"""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Double,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    or_,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from cloche.store.tables import metadata

EPOCH = datetime(1970, 1, 1)

endpoint_usage = Table(
    "endpoint_usage",
    metadata,
    Column("account_id", String(64), nullable=False),
    Column("workspace_id", String(64), nullable=False),
    Column("client_request_id", Text),
    Column("databricks_request_id", String(64), primary_key=True),
    Column("requester", String(255), nullable=False),
    Column("status_code", Integer, nullable=False),
    Column("request_time", DateTime, nullable=False),
    Column("input_token_count", BigInteger, nullable=False),
    Column("output_token_count", BigInteger, nullable=False),
    Column("input_character_count", BigInteger, nullable=False),
    Column("output_character_count", BigInteger, nullable=False),
    Column("usage_context", JSON(none_as_null=True)),
    Column("request_streaming", Boolean, nullable=False),
    Column("served_entity_id", String(64)),
    Column("estimated", Boolean, nullable=False),
    Column("endpoint_id", String(64), nullable=False),
    Column("endpoint_name", String(63), nullable=False),
    Column("served_entity_name", String(63)),
    Column("duration_ms", Double, nullable=False),
    Column("first_byte_ms", Double),
    Column("outcome", String(16), nullable=False),
    Column("error_code", String(64)),
    Column("attempts", Text),
    Column("cost_nano_usd", BigInteger),
    Column("hedge_entity_name", String(63)),
    Column("hedge_input_token_count", BigInteger),
    Column("hedge_cost_nano_usd", BigInteger),
    Column("translation", Text),
    Column("attempt_ms", Text),
    Index("ix_endpoint_usage_newest", "request_time", "databricks_request_id"),
)

served_entities = Table(
    "served_entities",
    metadata,
    Column("served_entity_id", String(64), primary_key=True),
    Column("account_id", String(64), nullable=False),
    Column("workspace_id", String(64), nullable=False),
    Column("created_by", String(255), nullable=False),
    Column("endpoint_name", String(63), nullable=False),
    Column("endpoint_id", String(64), nullable=False),
    Column("served_entity_name", String(63), nullable=False),
    Column("entity_type", String(32), nullable=False),
    Column("entity_name", Text, nullable=False),
    Column("entity_version", Text),
    Column("endpoint_config_version", Integer, nullable=False),
    Column("task", String(64), nullable=False),
    Column("external_model_config", JSON(none_as_null=True)),
    Column("foundation_model_config", JSON(none_as_null=True)),
    Column("custom_model_config", JSON(none_as_null=True)),
    Column("feature_spec_config", JSON(none_as_null=True)),
    Column("change_time", DateTime, primary_key=True),
    Column("endpoint_delete_time", DateTime),
)


@functools.lru_cache(1000)
def moment(unix_ms: int) -> datetime:
    """A time in Unix milliseconds as the columns have it."""
    return EPOCH + timedelta(milliseconds=unix_ms)


class Among(msgspec.Struct, frozen=True):
    """Which calls are looked at: those of a time (Unix milliseconds), of an endpoint, and that may be seen; None: any.

    `managed`: ids of the endpoints whose calls may all be seen; None: everybody's.  `requester`: whose own calls may be
    seen wherever they were made.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    endpoint: str | None = None
    managed: tuple[str, ...] | None = None
    requester: str = ""


def among(wanted: Among) -> list[ColumnElement[bool]]:
    """The conditions for it."""
    columns = endpoint_usage.c
    found: list[ColumnElement[bool]] = []
    if wanted.since_ms is not None:
        found.append(columns.request_time >= moment(wanted.since_ms))
    if wanted.until_ms is not None:
        found.append(columns.request_time < moment(wanted.until_ms))
    if wanted.endpoint is not None:
        found.append(columns.endpoint_name == wanted.endpoint)
    if wanted.managed is not None:
        found.append(or_(columns.endpoint_id.in_(wanted.managed), columns.requester == wanted.requester))
    return found


def failed(columns: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[bool]:
    """Whether a call failed, before or within its answer; one that its client gave up has not.  `columns`: those of the
    table, or of a selection from it."""
    broke = or_(columns.status_code >= 400, columns.outcome == "error")
    return and_(broke, columns.outcome != "cancelled")
