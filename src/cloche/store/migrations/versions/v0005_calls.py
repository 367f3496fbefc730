"""Calls in the order of their time, newest first, page by page; and what became of their fields."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    """Add the column, and put indexes that pages can be read from in the place of the one of times."""
    op.add_column("endpoint_usage", sa.Column("translation", sa.Text))
    op.drop_index("ix_endpoint_usage_request_time", "endpoint_usage")
    op.create_index("ix_endpoint_usage_newest", "endpoint_usage", ["request_time", "databricks_request_id"])
