"""Tables of rollouts: what is rolled out where, each decision, and what people asked for meanwhile."""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from coalmine_registry.storage.columns import COUNTER, UtcTime
from coalmine_registry.storage.tables import metadata

_Json: Final = JSON(none_as_null=True)

_STATES: Final = (
    "pending",
    "running",
    "paused",
    "baking",
    "completed",
    "rolled_back",
    "aborted",
    "expired",
    "superseded",
    "cancelled",
)
_OF_DEFAULT: Final = text("occupies AND rule IS NULL")
_OF_RULE: Final = text("occupies AND rule IS NOT NULL")

rollouts: Final = Table(
    "rollouts",
    metadata,
    # Also the name of its experiment.
    Column("id", String(100), primary_key=True),
    Column("environment", String(20), ForeignKey("environments.name"), nullable=False),
    Column("prompt", String(100), nullable=False),
    # The place is the default where there is none.
    Column("rule", Text),
    Column("treatment", String(100), nullable=False),
    Column("control", String(100), nullable=False),
    Column("plan", _Json, nullable=False),
    Column("plan_digest", String(71), nullable=False),
    Column("template", Text),
    Column("mode", String(10), nullable=False),
    Column("state", String(20), nullable=False),
    Column("reasons", _Json, nullable=False),
    Column("stage", Integer, nullable=False),
    Column("holds", _Json, nullable=False),
    # Of the stage: what the clock has counted so far.
    Column("clock", _Json, nullable=False),
    # Grows with every change: whoever read an older row must not write it.
    Column("row_version", Integer, nullable=False),
    # Of the deployment, which the rollout made last.
    Column("revision", BigInteger),
    # True while it holds its place: not terminal, and not waiting in a queue.
    Column("occupies", Boolean, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("started_role", String(10), nullable=False),
    Column("started_token_id", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("retry_of", String(100)),
    Column("replaced_by", String(100)),
    # Of the start.
    Column("evidence", _Json, nullable=False),
    Column("reason", Text),
    CheckConstraint(f"state IN {_STATES!r}", name="state"),
    CheckConstraint("mode IN ('act', 'advise')", name="mode"),
    ForeignKeyConstraint(["prompt", "treatment"], ["versions.prompt", "versions.version"]),
    ForeignKeyConstraint(["prompt", "control"], ["versions.prompt", "versions.version"]),
    Index(None, "environment", "prompt"),
    Index(None, "state"),
    # One holds a place; SQL tells nulls apart, so the default has an index of its own.
    Index(
        "uq_rollouts_default",
        "environment",
        "prompt",
        unique=True,
        sqlite_where=_OF_DEFAULT,
        postgresql_where=_OF_DEFAULT,
    ),
    Index(
        "uq_rollouts_rule",
        "environment",
        "prompt",
        "rule",
        unique=True,
        sqlite_where=_OF_RULE,
        postgresql_where=_OF_RULE,
    ),
)

rollout_decisions: Final = Table(
    "rollout_decisions",
    metadata,
    Column("rollout", String(100), ForeignKey("rollouts.id"), primary_key=True),
    # From 1, without gaps.
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(40), nullable=False),
    Column("from_state", String(20)),
    Column("to_state", String(20), nullable=False),
    Column("from_stage", Integer),
    Column("to_stage", Integer),
    # Commanded from now on, by arm.
    Column("weights", _Json),
    Column("reasons", _Json, nullable=False),
    # Copied in, as it stood when it was decided.
    Column("evidence", _Json, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    # Of the deployment, which the decision made.
    Column("revision", BigInteger),
)

rollout_commands: Final = Table(
    "rollout_commands",
    metadata,
    Column("id", COUNTER, primary_key=True, autoincrement=True),
    Column("rollout", String(100), ForeignKey("rollouts.id"), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", String(10), nullable=False),
    Column("token_id", Text, nullable=False),
    Column("reason", Text),
    Column("arguments", _Json, nullable=False),
    # Of the rollout, as the person had seen it.
    Column("seen_row_version", Integer),
    Column("asked_at", UtcTime, nullable=False),
    Column("done_at", UtcTime),
    Column("answer", Text),
    Index(None, "rollout", "done_at"),
    sqlite_autoincrement=True,
)

as_shipped: Final = Table(
    "as_shipped",
    metadata,
    Column("rollout", String(100), ForeignKey("rollouts.id"), primary_key=True),
    Column("prompt", String(100), nullable=False),
    Column("version", String(100), nullable=False),
    Column("environment", String(20), nullable=False),
    Column("figures", _Json, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index(None, "prompt", "version"),
)

freezes: Final = Table(
    "freezes",
    metadata,
    Column("id", COUNTER, primary_key=True, autoincrement=True),
    # All of them where there is none.
    Column("environment", String(20), ForeignKey("environments.name")),
    Column("prompt", String(100)),
    Column("reason", Text, nullable=False),
    Column("frozen_by", Text, nullable=False),
    Column("starts_at", UtcTime, nullable=False),
    # Open where there is none.
    Column("until", UtcTime),
    Column("ended_by", Text),
    Column("ended_at", UtcTime),
    sqlite_autoincrement=True,
)

checked_evidence: Final = Table(
    "checked_evidence",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("prompt", String(100), nullable=False),
    Column("version", String(100), nullable=False),
    Column("digest", String(71), nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("summary", Text, nullable=False),
    Column("url", Text),
    Column("recorded_by", Text, nullable=False),
    Column("recorded_at", UtcTime, nullable=False),
    # The run of a suite that it is; null for what a person recorded.
    Column("run", String(64)),
    # When that was found out; null if when it was recorded.
    Column("checked_at", UtcTime),
    ForeignKeyConstraint(["prompt", "version"], ["versions.prompt", "versions.version"]),
    Index(None, "prompt", "version"),
    Index(None, "run", unique=True),
)
