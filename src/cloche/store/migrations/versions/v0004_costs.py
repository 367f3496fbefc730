"""What calls cost, in billionths of a dollar, and what was asked besides and stopped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Add the columns; the calls that are there have no cost."""
    op.add_column("endpoint_usage", sa.Column("cost_nano_usd", sa.BigInteger))
    op.add_column("endpoint_usage", sa.Column("hedge_entity_name", sa.String(63)))
    op.add_column("endpoint_usage", sa.Column("hedge_input_token_count", sa.BigInteger))
    op.add_column("endpoint_usage", sa.Column("hedge_cost_nano_usd", sa.BigInteger))
