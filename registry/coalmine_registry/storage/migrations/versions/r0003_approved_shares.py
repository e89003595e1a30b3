"""Approvals of a content for a share of an audience, where there were approvals of a version."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was approved counts as approved for everybody."""
    counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    made = op.create_table(
        "approved_shares",
        sa.Column("id", counter, autoincrement=True, nullable=False),
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("prompt", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("audience", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment"], ["environments.name"], name="fk_approved_shares_environment"
        ),
        sa.ForeignKeyConstraint(["prompt"], ["prompts.name"], name="fk_approved_shares_prompt"),
        sa.PrimaryKeyConstraint("id", name="pk_approved_shares"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_approved_shares_environment_prompt", "approved_shares", ["environment", "prompt"], unique=False
    )
    approvals, versions = (
        sa.table(name, *map(sa.column, columns))
        for name, columns in (
            ("approvals", ("environment", "prompt", "version", "approved_by")),
            ("versions", ("prompt", "version", "digest")),
        )
    )
    time = sa.column("approved_at", sa.DateTime(timezone=True))
    joined = sa.and_(approvals.c.prompt == versions.c.prompt, approvals.c.version == versions.c.version)
    query = sa.select(
        approvals.c.environment, approvals.c.prompt, versions.c.digest, approvals.c.approved_by, time
    ).select_from(approvals.join(versions, joined))
    everybody = {"share": 1.0, "audience": {"when": {}, "excluded": []}}
    op.bulk_insert(made, [{**row._mapping, **everybody} for row in op.get_bind().execute(query)])
    op.drop_table("approvals")
    op.drop_index("ix_versions_prompt_digest", table_name="versions")
    op.create_index("ix_versions_digest", "versions", ["digest"], unique=False)
