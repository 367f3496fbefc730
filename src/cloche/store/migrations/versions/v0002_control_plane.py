"""The control plane's tables: identities, groups, endpoints and their versions, permissions, secrets, the audit log."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"

_COUNTED = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables, and the first user and groups."""
    with op.batch_alter_table("meta") as batch:
        batch.alter_column("value", type_=sa.Text)
    op.add_column("tokens", sa.Column("last_used_at", sa.BigInteger))
    op.create_table("revision", sa.Column("number", sa.BigInteger, primary_key=True))
    op.execute("INSERT INTO revision (number) VALUES (1)")
    _people()
    _oauth()
    _endpoints()
    _secrets()
    _audit()
    _first_rows()


def _id(name: str = "id") -> sa.Column[str]:
    return sa.Column(name, sa.String(64), primary_key=True)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _people() -> None:
    op.create_table(
        "identities",
        _id(),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("display_name", sa.String(255), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("external_id", sa.String(255)),
        sa.Column("emails", sa.Text, nullable=False),
        sa.Column("entitlements", sa.Text, nullable=False),
        _time("created_at"),
    )
    op.create_table(
        "groups",
        _id(),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("external_id", sa.String(255)),
        sa.Column("entitlements", sa.Text, nullable=False),
        _time("created_at"),
    )
    op.create_table("members", _id("group_id"), _id("member_id"))


def _oauth() -> None:
    op.create_table(
        "client_secrets",
        _id(),
        sa.Column("principal", sa.String(64), nullable=False, index=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        _time("created_at"),
        _time("expires_at", nullable=True),
    )
    op.create_table(
        "signing_keys",
        _id(),
        sa.Column("public_jwk", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        _time("created_at"),
        _time("retired_at", nullable=True),
    )


def _endpoints() -> None:
    op.create_table(
        "endpoints",
        _id(),
        sa.Column("name", sa.String(63), nullable=False, unique=True),
        sa.Column("creator", sa.String(255), nullable=False),
        _time("created_at"),
        _time("updated_at"),
        sa.Column("properties", sa.Text, nullable=False),
        sa.Column("active", sa.Integer),
        sa.Column("pending", sa.Integer),
        sa.Column("config_update", sa.String(32), nullable=False),
        sa.Column("update_message", sa.Text, nullable=False),
        sa.Column("deployer", sa.String(64)),
        _time("lease_until", nullable=True),
    )
    op.create_table(
        "versions",
        _id("endpoint_id"),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("configuration", sa.Text, nullable=False),
        _time("created_at"),
        sa.Column("created_by", sa.String(255), nullable=False),
    )
    op.create_table(
        "build_log",
        sa.Column("id", _COUNTED, primary_key=True),
        sa.Column("endpoint_id", sa.String(64), nullable=False, index=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("entity", sa.String(63), nullable=False),
        _time("at"),
        sa.Column("line", sa.Text, nullable=False),
    )
    op.create_table(
        "permissions", _id("endpoint_id"), _id("subject_id"), sa.Column("level", sa.Integer, nullable=False)
    )


def _secrets() -> None:
    op.create_table(
        "secret_scopes",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("endpoint_id", sa.String(64)),
        _time("created_at"),
    )
    op.create_table(
        "secrets",
        sa.Column("scope", sa.String(128), primary_key=True),
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        _time("updated_at"),
    )
    op.create_table(
        "secret_acls",
        sa.Column("scope", sa.String(128), primary_key=True),
        _id("subject_id"),
        sa.Column("level", sa.Integer, nullable=False),
    )


def _audit() -> None:
    """The log, which the database itself keeps anybody from rewriting."""
    op.create_table(
        "audit",
        sa.Column("id", _COUNTED, primary_key=True),
        _time("at"),
        sa.Column("principal_id", sa.String(64), nullable=False),
        sa.Column("principal", sa.String(255), nullable=False),
        sa.Column("address", sa.String(255), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False, index=True),
        sa.Column("target", sa.String(300), nullable=False, index=True),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
    )
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{change.lower()} BEFORE {change} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "EXECUTE FUNCTION audit_append_only()"
    )


def _first_rows() -> None:
    """The user `admin`, whose tokens bore its name until now, and the two groups that always are."""
    now = int(time.time() * 1000)
    connection = op.get_bind()
    connection.execute(
        sa.text(
            "INSERT INTO identities (id, kind, name, display_name, active, emails, entitlements, created_at) "
            "VALUES ('1', 'user', 'admin', 'admin', :active, '[]', '[]', :now)"
        ),
        {"active": True, "now": now},
    )
    for group_id, name in (("2", "admins"), ("3", "users")):
        connection.execute(
            sa.text("INSERT INTO groups (id, name, entitlements, created_at) VALUES (:id, :name, '[]', :now)"),
            {"id": group_id, "name": name, "now": now},
        )
    op.execute("INSERT INTO members (group_id, member_id) VALUES ('2', '1')")
    op.execute("UPDATE tokens SET principal = '1' WHERE principal = 'admin'")
