"""Tokens of services are for one environment."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; tokens that exist are for all environments, as before."""
    op.add_column("tokens", sa.Column("environment", sa.Text))
