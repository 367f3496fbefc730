"""What each host holds of budgets, until when others count that, and not for good."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("budget_spending", sa.Column("held_nano_usd", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("budget_spending", sa.Column("held_until", sa.BigInteger, nullable=False, server_default="0"))
