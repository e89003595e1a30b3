"""What evaluations ask of policies and of evidence."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds columns; policies that exist require no suite and no age, and evidence that exists is no run."""
    op.add_column(
        "environments", sa.Column("requires_suite", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("environments", sa.Column("evidence_max_age_days", sa.Integer(), nullable=True))
    op.add_column("checked_evidence", sa.Column("run", sa.String(length=64), nullable=True))
    op.add_column("checked_evidence", sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_checked_evidence_run", "checked_evidence", ["run"], unique=True)
