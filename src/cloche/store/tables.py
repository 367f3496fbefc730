"""The tables as they are now.  How they came to be so is told in migrations/, which never imports this module.

Must not know what rows mean: ids, times and digests are made by the control plane.  Times are Unix milliseconds, JSON
is text, and both databases that cloche runs on know every type here.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

# SQLite counts a row's number up by itself only where it is its INTEGER.
_COUNTED = BigInteger().with_variant(Integer, "sqlite")


def _id(name: str = "id") -> Column[str]:
    return Column(name, String(64), primary_key=True)


def _time(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

revision = Table("revision", metadata, Column("number", BigInteger, primary_key=True))

identities = Table(
    "identities",
    metadata,
    _id(),
    Column("kind", String(32), nullable=False),
    Column("name", String(255), nullable=False, unique=True),
    Column("display_name", String(255), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("external_id", String(255)),
    Column("emails", Text, nullable=False),
    Column("entitlements", Text, nullable=False),
    _time("created_at"),
)

groups = Table(
    "groups",
    metadata,
    _id(),
    Column("name", String(255), nullable=False, unique=True),
    Column("external_id", String(255)),
    Column("entitlements", Text, nullable=False),
    _time("created_at"),
)

members = Table("members", metadata, _id("group_id"), _id("member_id"))

tokens = Table(
    "tokens",
    metadata,
    _id(),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("principal", String(255), nullable=False),
    Column("comment", String(1024), nullable=False),
    _time("created_at"),
    _time("expires_at", nullable=True),
    _time("last_used_at", nullable=True),
)

client_secrets = Table(
    "client_secrets",
    metadata,
    _id(),
    Column("principal", String(64), nullable=False, index=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    _time("created_at"),
    _time("expires_at", nullable=True),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    _id(),
    Column("public_jwk", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    _time("created_at"),
    _time("retired_at", nullable=True),
)

endpoints = Table(
    "endpoints",
    metadata,
    _id(),
    Column("name", String(63), nullable=False, unique=True),
    Column("creator", String(255), nullable=False),
    _time("created_at"),
    _time("updated_at"),
    Column("properties", Text, nullable=False),
    Column("active", Integer),
    Column("pending", Integer),
    Column("config_update", String(32), nullable=False),
    Column("update_message", Text, nullable=False),
    # Who is bringing up the pending version, and until when nobody else may.
    Column("deployer", String(64)),
    _time("lease_until", nullable=True),
)

versions = Table(
    "versions",
    metadata,
    _id("endpoint_id"),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("configuration", Text, nullable=False),
    _time("created_at"),
    Column("created_by", String(255), nullable=False),
)

build_log = Table(
    "build_log",
    metadata,
    Column("id", _COUNTED, primary_key=True),
    Column("endpoint_id", String(64), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("entity", String(63), nullable=False),
    _time("at"),
    Column("line", Text, nullable=False),
)

permissions = Table(
    "permissions",
    metadata,
    _id("endpoint_id"),
    _id("subject_id"),
    Column("level", Integer, nullable=False),
)

secret_scopes = Table(
    "secret_scopes",
    metadata,
    Column("name", String(128), primary_key=True),
    # The endpoint whose plaintext credentials it keeps; such a scope is nobody's to see.
    Column("endpoint_id", String(64)),
    _time("created_at"),
)

secrets = Table(
    "secrets",
    metadata,
    Column("scope", String(128), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    _time("updated_at"),
)

secret_acls = Table(
    "secret_acls",
    metadata,
    Column("scope", String(128), primary_key=True),
    _id("subject_id"),
    Column("level", Integer, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _COUNTED, primary_key=True),
    _time("at"),
    Column("principal_id", String(64), nullable=False),
    Column("principal", String(255), nullable=False),
    Column("address", String(255), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("action", String(64), nullable=False, index=True),
    Column("target", String(300), nullable=False, index=True),
    Column("before", Text),
    Column("after", Text),
)

budgets = Table(
    "budgets",
    metadata,
    _id(),
    Column("name", String(255), nullable=False, unique=True),
    Column("scope", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("period", String(16), nullable=False),
    Column("limit_nano_usd", BigInteger, nullable=False),
    Column("action", String(16), nullable=False),
    Column("thresholds", Text, nullable=False),
    _time("created_at"),
    Column("created_by", String(255), nullable=False),
)

# What each host has spent until a moment (Unix seconds), by the digest of whose money it is.
budget_spending = Table(
    "budget_spending",
    metadata,
    _id("host"),
    Column("digest", String(64), primary_key=True),
    Column("ends", BigInteger, nullable=False, index=True),
    Column("spent_nano_usd", BigInteger, nullable=False),
    Column("held_nano_usd", BigInteger, nullable=False, server_default="0"),
    Column("held_until", BigInteger, nullable=False, server_default="0"),
)

budget_alerts = Table(
    "budget_alerts",
    metadata,
    _id("budget_id"),
    _id("subject"),
    Column("starts", BigInteger, primary_key=True, autoincrement=False),
    Column("threshold", Integer, primary_key=True, autoincrement=False),
    _time("at"),
    Column("spent_nano_usd", BigInteger, nullable=False),
    Column("limit_nano_usd", BigInteger, primary_key=True, autoincrement=False),
)
