"""The tables of runs that the server begins, and of what they show of models. Made by `tables.py`."""

from typing import Final

from sqlalchemy import JSON, Column, Index, Integer, MetaData, String, Table, Text

from coalmine_registry.storage.columns import COUNTER, UtcTime

_Json: Final = JSON(none_as_null=True)


def rerun_tables(metadata: MetaData) -> tuple[Table, Table]:
    """Returns the table of jobs, and that of flags."""
    # A version that is to be run on a suite, with its own model or another one.
    jobs = Table(
        "eval_jobs",
        metadata,
        Column("id", COUNTER, primary_key=True, autoincrement=True),
        # Jobs that were asked for together.
        Column("batch", String(64), nullable=False),
        Column("cause", String(12), nullable=False),
        Column("prompt", Text, nullable=False),
        Column("version", Text, nullable=False),
        Column("digest", String(71), nullable=False),
        Column("suite", Text, nullable=False),
        Column("suite_digest", String(64), nullable=False),
        # Model in place of the version's own; null: its own.
        Column("model", Text),
        # Model that answered in production, which had the job made.
        Column("seen", Text),
        Column("state", String(8), nullable=False),
        Column("run", String(64)),
        # Run of the version as it was, that the run is compared with; null if it has a baseline of its own.
        Column("compared_with", String(64)),
        Column("outcome", String(12)),
        Column("said", Text),
        # What it cost and how long it took beside the version's own model.
        Column("figures", _Json),
        Column("spent_nano_usd", Integer, nullable=False),
        Column("asked_by", Text, nullable=False),
        Column("asked_at", UtcTime, nullable=False),
        Column("ended_at", UtcTime),
        Index("ix_eval_jobs_state", "state", "id"),
        Index("ix_eval_jobs_digest", "digest", "suite_digest"),
        Index("ix_eval_jobs_batch", "batch"),
    )
    # Whether a content is safe with a model: the last word counts.
    flags = Table(
        "model_flags",
        metadata,
        Column("digest", String(71), primary_key=True),
        Column("model", String(200), primary_key=True),
        Column("prompt", Text, nullable=False),
        Column("version", Text, nullable=False),
        Column("flag", String(8), nullable=False),
        Column("run", String(64), nullable=False),
        Column("at", UtcTime, nullable=False),
        Index("ix_model_flags_prompt", "prompt"),
    )
    return jobs, flags
