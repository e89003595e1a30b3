"""Tokens that are for some prompts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; tokens that exist are for all prompts, as before."""
    op.add_column("tokens", sa.Column("prompts", sa.JSON(none_as_null=True)))
