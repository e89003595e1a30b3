"""The first tables, with triggers that keep the history append-only and versions immutable."""

import sqlalchemy as sa
from alembic import op

from coalmine_registry.storage.statements import statement

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_APPEND_ONLY = ("audit", "deployment_revisions")


def upgrade() -> None:
    """Makes everything."""
    _create_tables()
    environments = sa.table(
        "environments",
        sa.column("name"),
        sa.column("revision"),
        sa.column("required_evidence", sa.JSON()),
        sa.column("policy_revision"),
    )
    op.bulk_insert(
        environments,
        [
            {"name": name, "revision": 0, "required_evidence": [], "policy_revision": 0}
            for name in ("dev", "staging", "prod")
        ],
    )
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_triggers()
    else:
        _postgresql_triggers()


def _sqlite_triggers() -> None:
    op.execute(statement("immutable_version.sqlite"))
    for table in _APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    op.execute(
        "CREATE TRIGGER versions_no_delete BEFORE DELETE ON versions "
        "BEGIN SELECT RAISE(ABORT, 'a registered version stays'); END"
    )


def _postgresql_triggers() -> None:
    op.execute(statement("append_only_function.postgresql"))
    op.execute(statement("immutable_version_function.postgresql"))
    op.execute(statement("immutable_version.postgresql"))
    function = "EXECUTE FUNCTION coalmine_registry_append_only()"
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {function}"
        )
    op.execute(f"CREATE TRIGGER versions_no_delete BEFORE DELETE ON versions FOR EACH ROW {function}")
    for table in (*_APPEND_ONLY, "versions"):
        op.execute(f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} {function}")


def _create_tables() -> None:
    op.create_table(
        "audit",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_environment_id", "audit", ["environment", "id"], unique=False)
    op.create_index("ix_audit_prompt_id", "audit", ["prompt", "id"], unique=False)
    op.create_table(
        "environments",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("required_evidence", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("policy_revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_environments"),
    )
    op.create_table(
        "outbox",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("event", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "prompts",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_prompts"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("lookup", sa.String(length=16), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("sha256", name=("uq_tokens_sha256")),
    )
    op.create_index("ix_tokens_lookup", "tokens", ["lookup"], unique=False)
    op.create_table(
        "deployments",
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("prompt", sa.String(length=100), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("defaults", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("served", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["environment"], ["environments.name"], name="fk_deployments_environment"),
        sa.ForeignKeyConstraint(["prompt"], ["prompts.name"], name="fk_deployments_prompt"),
        sa.PrimaryKeyConstraint("environment", "prompt", name="pk_deployments"),
    )
    op.create_table(
        "versions",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("prompt", sa.String(length=100), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("precedence", sa.String(length=100), nullable=False),
        sa.Column("content", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("classification", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.CheckConstraint("status IN ('active', 'retired', 'archived')", name="ck_versions_status"),
        sa.ForeignKeyConstraint(["prompt"], ["prompts.name"], name="fk_versions_prompt"),
        sa.PrimaryKeyConstraint("id", name="pk_versions"),
        sa.UniqueConstraint("prompt", "precedence", name="uq_versions_prompt_precedence"),
        sa.UniqueConstraint("prompt", "version", name="uq_versions_prompt_version"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_versions_prompt_digest", "versions", ["prompt", "digest"], unique=False)
    op.create_table(
        "approvals",
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("prompt", sa.String(length=100), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["prompt", "version"], ["versions.prompt", "versions.version"], name="fk_approvals_prompt_version"
        ),
        sa.PrimaryKeyConstraint("environment", "prompt", "version", name="pk_approvals"),
    )
    op.create_table(
        "deployment_revisions",
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("prompt", sa.String(length=100), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("served", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment", "prompt"],
            ["deployments.environment", "deployments.prompt"],
            name="fk_deployment_revisions_environment_prompt",
        ),
        sa.PrimaryKeyConstraint("environment", "prompt", "revision", name="pk_deployment_revisions"),
    )
    op.create_table(
        "experiments",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("prompt", sa.String(length=100), nullable=False),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("replaced", sa.String(length=100), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_by", sa.Text(), nullable=True),
        sa.Column("kept", sa.Text(), nullable=True),
        sa.CheckConstraint("status IN ('running', 'stopped')", name="ck_experiments_status"),
        sa.ForeignKeyConstraint(
            ["environment", "prompt"],
            ["deployments.environment", "deployments.prompt"],
            name="fk_experiments_environment_prompt",
        ),
        sa.PrimaryKeyConstraint("name", name="pk_experiments"),
    )
    op.create_index(
        "ix_experiments_environment_prompt", "experiments", ["environment", "prompt"], unique=False
    )
    op.create_table(
        "promotions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("prompt", sa.String(length=100), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("evidence", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("expected_revision", sa.BigInteger(), nullable=True),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'applied', 'rejected', 'stale')", name="ck_promotions_status"
        ),
        sa.ForeignKeyConstraint(["environment"], ["environments.name"], name="fk_promotions_environment"),
        sa.ForeignKeyConstraint(
            ["prompt", "version"],
            ["versions.prompt", "versions.version"],
            name="fk_promotions_prompt_version",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_promotions"),
    )
    op.create_index("ix_promotions_status_id", "promotions", ["status", "id"], unique=False)
    op.create_table(
        "served_versions",
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("prompt", sa.String(length=100), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("first_revision", sa.BigInteger(), nullable=False),
        sa.Column("first_served_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["prompt", "version"],
            ["versions.prompt", "versions.version"],
            name="fk_served_versions_prompt_version",
        ),
        sa.PrimaryKeyConstraint("environment", "prompt", "version", name="pk_served_versions"),
    )
    op.create_table(
        "experiment_epochs",
        sa.Column("experiment", sa.String(length=100), nullable=False),
        sa.Column("allocation_epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("arms", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["experiment"], ["experiments.name"], name="fk_experiment_epochs_experiment"),
        sa.PrimaryKeyConstraint("experiment", "allocation_epoch", name="pk_experiment_epochs"),
    )
