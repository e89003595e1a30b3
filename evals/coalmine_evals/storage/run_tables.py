"""The tables of runs, made by `tables.py`."""

from typing import Final

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

from coalmine_registry.storage.columns import UtcTime

_Json: Final = JSON(none_as_null=True)


def run_tables(metadata: MetaData) -> tuple[Table, Table]:
    """Returns the table of runs, and that of their answers."""
    runs = Table(
        "eval_runs",
        metadata,
        Column("id", String(64), primary_key=True),
        Column("suite", Text, nullable=False),
        Column("prompt", Text),
        Column("candidate_digest", Text),
        Column("state", String(12), nullable=False),
        # Of the gate, for lists; null while it runs, and without a baseline.
        Column("outcome", String(12)),
        Column("started_at", UtcTime, nullable=False),
        # When the last answer was kept: a run whose process was killed says nothing of it.
        Column("alive_at", UtcTime, nullable=False),
        # What it takes to go on: what was asked for on the command line, and the digests it led to.
        Column("plan", _Json, nullable=False),
        Column("document", _Json, nullable=False),
        Index("ix_eval_runs_prompt", "prompt", "candidate_digest"),
    )
    answers = Table(
        "eval_answers",
        metadata,
        Column("run_id", ForeignKey("eval_runs.id", ondelete="CASCADE"), primary_key=True),
        # Of the case in the run, from 0.
        Column("place", Integer, primary_key=True),
        Column("side", String(9), primary_key=True),
        Column("repeat", Integer, primary_key=True),
        Column("case", Text, nullable=False),
        # All of it but what can be worked out again.
        Column("output", _Json, nullable=False),
        Column("scores", _Json, nullable=False),
        Column("details", _Json, nullable=False),
        Column("scoring_nano_usd", Integer, nullable=False),
    )
    return runs, answers
