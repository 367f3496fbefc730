"""The usage tables: one row for each call, and the served entities that calls were answered by.

Times are timestamps in UTC here, unlike in the other tables: people ask these in SQL.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Make both tables."""
    _calls()
    _entities()


def _calls() -> None:
    op.create_table(
        "endpoint_usage",
        sa.Column("account_id", sa.String(64), nullable=False),
        sa.Column("workspace_id", sa.String(64), nullable=False),
        sa.Column("client_request_id", sa.Text),
        sa.Column("databricks_request_id", sa.String(64), primary_key=True),
        sa.Column("requester", sa.String(255), nullable=False),
        sa.Column("status_code", sa.Integer, nullable=False),
        sa.Column("request_time", sa.DateTime, nullable=False, index=True),
        sa.Column("input_token_count", sa.BigInteger, nullable=False),
        sa.Column("output_token_count", sa.BigInteger, nullable=False),
        sa.Column("input_character_count", sa.BigInteger, nullable=False),
        sa.Column("output_character_count", sa.BigInteger, nullable=False),
        sa.Column("usage_context", sa.JSON(none_as_null=True)),
        sa.Column("request_streaming", sa.Boolean, nullable=False),
        sa.Column("served_entity_id", sa.String(64)),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("endpoint_id", sa.String(64), nullable=False),
        sa.Column("endpoint_name", sa.String(63), nullable=False),
        sa.Column("served_entity_name", sa.String(63)),
        sa.Column("duration_ms", sa.Double, nullable=False),
        sa.Column("first_byte_ms", sa.Double),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("error_code", sa.String(64)),
        sa.Column("attempts", sa.Text),
    )


def _entities() -> None:
    op.create_table(
        "served_entities",
        sa.Column("served_entity_id", sa.String(64), primary_key=True),
        sa.Column("account_id", sa.String(64), nullable=False),
        sa.Column("workspace_id", sa.String(64), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("endpoint_name", sa.String(63), nullable=False),
        sa.Column("endpoint_id", sa.String(64), nullable=False),
        sa.Column("served_entity_name", sa.String(63), nullable=False),
        sa.Column("entity_type", sa.String(32), nullable=False),
        sa.Column("entity_name", sa.Text, nullable=False),
        sa.Column("entity_version", sa.Text),
        sa.Column("endpoint_config_version", sa.Integer, nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("external_model_config", sa.JSON(none_as_null=True)),
        sa.Column("foundation_model_config", sa.JSON(none_as_null=True)),
        sa.Column("custom_model_config", sa.JSON(none_as_null=True)),
        sa.Column("feature_spec_config", sa.JSON(none_as_null=True)),
        sa.Column("change_time", sa.DateTime, primary_key=True),
        sa.Column("endpoint_delete_time", sa.DateTime),
    )
