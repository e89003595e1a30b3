"""The registry's tables. A test checks that the migrations create the same."""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from coalmine_registry.storage.columns import COUNTER, UtcTime

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Json: Final = JSON(none_as_null=True)

prompts: Final = Table(
    "prompts",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Text, nullable=False),
)

versions: Final = Table(
    "versions",
    metadata,
    Column("id", COUNTER, primary_key=True, autoincrement=True),
    Column("prompt", String(100), ForeignKey("prompts.name"), nullable=False),
    Column("version", String(100), nullable=False),
    # 1.0.0+a and 1.0.0+b would rank alike.
    Column("precedence", String(100), nullable=False),
    Column("content", _Json, nullable=False),
    Column("digest", String(71), nullable=False),
    Column("classification", _Json),
    Column("author", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("status", String(10), nullable=False),
    # Where it came from, as the one who registered it said.
    Column("source", _Json),
    CheckConstraint("status IN ('active', 'retired', 'archived')", name="status"),
    UniqueConstraint("prompt", "version"),
    UniqueConstraint("prompt", "precedence"),
    Index(None, "digest"),
    sqlite_autoincrement=True,
)

environments: Final = Table(
    "environments",
    metadata,
    Column("name", String(20), primary_key=True),
    # Changes with every change of what the environment serves.
    Column("revision", BigInteger, nullable=False),
    Column("required_evidence", _Json, nullable=False),
    Column("requires_suite", Boolean, nullable=False, server_default=false()),
    Column("evidence_max_age_days", Integer),
    Column("policy_revision", BigInteger, nullable=False),
)

deployments: Final = Table(
    "deployments",
    metadata,
    Column("environment", String(20), ForeignKey("environments.name"), primary_key=True),
    Column("prompt", String(100), ForeignKey("prompts.name"), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    # Default versions, oldest first, without those that a rollback skipped; the last one counts.
    Column("defaults", _Json, nullable=False),
    # As in a snapshot.
    Column("served", _Json, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("changed_by", Text, nullable=False),
)

deployment_revisions: Final = Table(
    "deployment_revisions",
    metadata,
    Column("environment", String(20), primary_key=True),
    Column("prompt", String(100), primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("action", Text, nullable=False),
    Column("version", String(100), nullable=False),
    Column("served", _Json, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("reason", Text),
    ForeignKeyConstraint(["environment", "prompt"], ["deployments.environment", "deployments.prompt"]),
)

served_versions: Final = Table(
    "served_versions",
    metadata,
    Column("environment", String(20), primary_key=True),
    Column("prompt", String(100), primary_key=True),
    Column("version", String(100), primary_key=True),
    Column("first_revision", BigInteger, nullable=False),
    Column("first_served_at", UtcTime, nullable=False),
    ForeignKeyConstraint(["prompt", "version"], ["versions.prompt", "versions.version"]),
)

approved_shares: Final = Table(
    "approved_shares",
    metadata,
    Column("id", COUNTER, primary_key=True, autoincrement=True),
    Column("environment", String(20), ForeignKey("environments.name"), nullable=False),
    # Of the deployment; the content may be one that its versions include.
    Column("prompt", String(100), ForeignKey("prompts.name"), nullable=False),
    Column("digest", String(71), nullable=False),
    Column("share", Float, nullable=False),
    Column("audience", _Json, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("approved_at", UtcTime, nullable=False),
    Index(None, "environment", "prompt"),
    sqlite_autoincrement=True,
)

promotions: Final = Table(
    "promotions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("status", String(10), nullable=False),
    Column("prompt", String(100), nullable=False),
    Column("version", String(100), nullable=False),
    Column("environment", String(20), ForeignKey("environments.name"), nullable=False),
    Column("evidence", _Json, nullable=False),
    Column("reason", Text),
    Column("expected_revision", BigInteger),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", UtcTime),
    Column("decision_reason", Text),
    Column("revision", BigInteger),
    CheckConstraint("status IN ('pending', 'applied', 'rejected', 'stale')", name="status"),
    ForeignKeyConstraint(["prompt", "version"], ["versions.prompt", "versions.version"]),
    Index(None, "status", "id"),
)

experiments: Final = Table(
    "experiments",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("environment", String(20), nullable=False),
    Column("prompt", String(100), nullable=False),
    Column("rule", Text),
    Column("replaced", String(100), nullable=False),
    Column("salt", String(64), nullable=False),
    Column("plan", _Json),
    Column("status", String(10), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("stopped_at", UtcTime),
    Column("stopped_by", Text),
    Column("kept", Text),
    CheckConstraint("status IN ('running', 'stopped')", name="status"),
    ForeignKeyConstraint(["environment", "prompt"], ["deployments.environment", "deployments.prompt"]),
    Index(None, "environment", "prompt"),
)

experiment_epochs: Final = Table(
    "experiment_epochs",
    metadata,
    Column("experiment", String(100), ForeignKey("experiments.name"), primary_key=True),
    Column("allocation_epoch", Integer, primary_key=True, autoincrement=False),
    Column("arms", _Json, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("started_by", Text, nullable=False),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("id", COUNTER, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("token_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("prompt", Text),
    Column("version", Text),
    Column("environment", Text),
    Column("before", _Json),
    Column("after", _Json),
    Column("reason", Text),
    Index(None, "prompt", "id"),
    Index(None, "environment", "id"),
    sqlite_autoincrement=True,
)

leases: Final = Table(
    "leases",
    metadata,
    Column("name", String(40), primary_key=True),
    # Grows with each takeover.
    Column("generation", Integer, nullable=False),
    # Grows with each renewal.
    Column("beat", Integer, nullable=False),
    Column("holder", Text),
    Column("url", Text),
    # Who would like to have it, since the last renewal.
    Column("waiting", Text),
)

outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", COUNTER, primary_key=True, autoincrement=True),
    Column("event", _Json, nullable=False),
    Column("kind", String(40), nullable=False, server_default="deployment"),
    sqlite_autoincrement=True,
)

tokens: Final = Table(
    "tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    # The first characters of the hash: tokens are looked up by them before they are compared.
    Column("lookup", String(16), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("role", String(10), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("revoked_at", UtcTime),
    # The one environment that a service may ask about.
    Column("environment", Text),
    # Patterns of the prompts that it is for; none: all.
    Column("prompts", _Json),
    UniqueConstraint("sha256"),
    Index(None, "lookup"),
)
