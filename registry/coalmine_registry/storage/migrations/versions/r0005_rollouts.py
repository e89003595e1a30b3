"""Rollouts with their decisions, freezes, evidence that is checked, and where versions came from."""

import sqlalchemy as sa
from alembic import op

from coalmine_registry.storage.statements import statement

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_APPEND_ONLY = ("rollout_decisions", "checked_evidence")


def upgrade() -> None:
    """Adds the tables; versions that exist have no source, and events that wait are of deployments."""
    op.add_column(
        "outbox", sa.Column("kind", sa.String(length=40), nullable=False, server_default="deployment")
    )
    op.add_column("versions", sa.Column("source", sa.JSON(none_as_null=True), nullable=True))
    _create_rollouts()
    _create_freezes_and_evidence()
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_triggers()
    else:
        _postgresql_triggers()


def _sqlite_triggers() -> None:
    op.execute(statement("immutable_source.sqlite"))
    for table in _APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _postgresql_triggers() -> None:
    op.execute(statement("immutable_source_function.postgresql"))
    op.execute(statement("immutable_source.postgresql"))
    function = "EXECUTE FUNCTION coalmine_registry_append_only()"
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {function}"
        )
        op.execute(f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} {function}")


def _create_freezes_and_evidence() -> None:
    counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "freezes",
        sa.Column("id", counter, autoincrement=True, nullable=False),
        sa.Column("environment", sa.String(length=20), nullable=True),
        sa.Column("prompt", sa.String(length=100), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("frozen_by", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["environment"], ["environments.name"], name="fk_freezes_environment"),
        sa.PrimaryKeyConstraint("id", name="pk_freezes"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "checked_evidence",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("prompt", sa.String(length=100), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["prompt", "version"],
            ["versions.prompt", "versions.version"],
            name="fk_checked_evidence_prompt_version",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_checked_evidence"),
    )
    op.create_index(
        "ix_checked_evidence_prompt_version", "checked_evidence", ["prompt", "version"], unique=False
    )


def _create_rollouts() -> None:
    counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "rollouts",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("prompt", sa.String(length=100), nullable=False),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("treatment", sa.String(length=100), nullable=False),
        sa.Column("control", sa.String(length=100), nullable=False),
        sa.Column("plan", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("plan_digest", sa.String(length=71), nullable=False),
        sa.Column("template", sa.Text(), nullable=True),
        sa.Column("mode", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reasons", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("holds", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("clock", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=True),
        sa.Column("occupies", sa.Boolean(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("started_role", sa.String(length=10), nullable=False),
        sa.Column("started_token_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_of", sa.String(length=100), nullable=True),
        sa.Column("replaced_by", sa.String(length=100), nullable=True),
        sa.Column("evidence", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("mode IN ('act', 'advise')", name="ck_rollouts_mode"),
        sa.CheckConstraint(
            "state IN ('pending', 'running', 'paused', 'baking', 'completed', 'rolled_back', 'aborted', "
            "'expired', 'superseded', 'cancelled')",
            name="ck_rollouts_state",
        ),
        sa.ForeignKeyConstraint(["environment"], ["environments.name"], name="fk_rollouts_environment"),
        sa.ForeignKeyConstraint(
            ["prompt", "control"], ["versions.prompt", "versions.version"], name="fk_rollouts_prompt_control"
        ),
        sa.ForeignKeyConstraint(
            ["prompt", "treatment"],
            ["versions.prompt", "versions.version"],
            name="fk_rollouts_prompt_treatment",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_rollouts"),
    )
    op.create_index("ix_rollouts_environment_prompt", "rollouts", ["environment", "prompt"], unique=False)
    op.create_index("ix_rollouts_state", "rollouts", ["state"], unique=False)
    op.create_index(
        "uq_rollouts_default",
        "rollouts",
        ["environment", "prompt"],
        unique=True,
        sqlite_where=sa.text("occupies AND rule IS NULL"),
        postgresql_where=sa.text("occupies AND rule IS NULL"),
    )
    op.create_index(
        "uq_rollouts_rule",
        "rollouts",
        ["environment", "prompt", "rule"],
        unique=True,
        sqlite_where=sa.text("occupies AND rule IS NOT NULL"),
        postgresql_where=sa.text("occupies AND rule IS NOT NULL"),
    )
    op.create_table(
        "as_shipped",
        sa.Column("rollout", sa.String(length=100), nullable=False),
        sa.Column("prompt", sa.String(length=100), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("figures", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["rollout"], ["rollouts.id"], name="fk_as_shipped_rollout"),
        sa.PrimaryKeyConstraint("rollout", name="pk_as_shipped"),
    )
    op.create_index("ix_as_shipped_prompt_version", "as_shipped", ["prompt", "version"], unique=False)
    op.create_table(
        "rollout_commands",
        sa.Column("id", counter, autoincrement=True, nullable=False),
        sa.Column("rollout", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("arguments", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("seen_row_version", sa.Integer(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["rollout"], ["rollouts.id"], name="fk_rollout_commands_rollout"),
        sa.PrimaryKeyConstraint("id", name="pk_rollout_commands"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_rollout_commands_rollout_done_at", "rollout_commands", ["rollout", "done_at"], unique=False
    )
    op.create_table(
        "rollout_decisions",
        sa.Column("rollout", sa.String(length=100), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("from_state", sa.String(length=20), nullable=True),
        sa.Column("to_state", sa.String(length=20), nullable=False),
        sa.Column("from_stage", sa.Integer(), nullable=True),
        sa.Column("to_stage", sa.Integer(), nullable=True),
        sa.Column("weights", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reasons", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("evidence", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["rollout"], ["rollouts.id"], name="fk_rollout_decisions_rollout"),
        sa.PrimaryKeyConstraint("rollout", "seq", name="pk_rollout_decisions"),
    )
