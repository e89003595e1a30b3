"""Experiments carry the plan by which they are judged."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; experiments that exist are judged as the settings say, as before."""
    op.add_column("experiments", sa.Column("plan", sa.JSON(none_as_null=True)))
