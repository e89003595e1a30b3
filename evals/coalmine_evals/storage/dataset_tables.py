"""The tables of datasets, of proposals for them, and of suites."""

from typing import Final

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from coalmine_evals.storage.tables import metadata
from coalmine_registry.storage.columns import COUNTER, UtcTime

_Json: Final = JSON(none_as_null=True)

# A list of cases, named by what it holds: never changed, but for cases that were forgotten.
dataset_contents: Final = Table(
    "dataset_contents",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("cases", Integer, nullable=False),
    Column("clusters", Integer, nullable=False),
    Column("must_pass", Integer, nullable=False),
    Column("capabilities", _Json, nullable=False),
)

dataset_cases: Final = Table(
    "dataset_cases",
    metadata,
    Column("digest", String(64), ForeignKey("dataset_contents.digest"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("source", Text),
    # The case as JSON; null once its request was forgotten.
    Column("body", Text),
    Index("ix_dataset_cases_source", "source"),
)

# Which content a name has: the newest row counts.
dataset_imports: Final = Table(
    "dataset_imports",
    metadata,
    Column("id", COUNTER, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("digest", String(64), ForeignKey("dataset_contents.digest"), nullable=False),
    Column("imported_at", UtcTime, nullable=False),
    Column("imported_by", Text, nullable=False),
    Index("ix_dataset_imports_name", "name", "id"),
)

# Cases that production suggests, until a person says what is right. Texts are redacted.
dataset_proposals: Final = Table(
    "dataset_proposals",
    metadata,
    Column("id", COUNTER, primary_key=True, autoincrement=True),
    Column("dataset", Text, nullable=False),
    Column("request_id", String(36), nullable=False),
    Column("state", String(10), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("given_at", UtcTime, nullable=False),
    # Null once it is decided or forgotten: what was confirmed is in the dataset.
    Column("body", _Json),
    Column("proposed_at", UtcTime, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("decided_at", UtcTime),
    Column("decided_by", Text),
    Column("reason", Text),
    UniqueConstraint("dataset", "request_id"),
    Index("ix_dataset_proposals_state", "dataset", "state", "id"),
    Index("ix_dataset_proposals_request", "request_id"),
)

suites: Final = Table(
    "suites",
    metadata,
    Column("id", COUNTER, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("body", _Json, nullable=False),
    Column("pushed_at", UtcTime, nullable=False),
    Column("pushed_by", Text, nullable=False),
    Index("ix_suites_name", "name", "id"),
    Index("ix_suites_prompt", "prompt"),
    Index("ix_suites_digest", "digest"),
)
