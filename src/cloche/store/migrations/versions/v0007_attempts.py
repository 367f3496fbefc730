"""When each attempt of a call began, and how long it took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    """Add the column."""
    op.add_column("endpoint_usage", sa.Column("attempt_ms", sa.Text))
