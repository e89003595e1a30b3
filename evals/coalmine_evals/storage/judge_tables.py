"""The tables of judges, made by `tables.py`."""

from typing import Final

from sqlalchemy import JSON, Column, ForeignKey, MetaData, String, Table, Text

from coalmine_registry.storage.columns import UtcTime

_Json: Final = JSON(none_as_null=True)


def judge_tables(metadata: MetaData) -> tuple[Table, Table, Table]:
    """Returns the tables of calibrations, of canary sets, and of the days on which these were scored."""
    calibrations = Table(
        "judge_calibrations",
        metadata,
        # Series of scores: judge, version, rubric and model. The latest calibration counts.
        Column("scorer", Text, primary_key=True),
        Column("calibrated_at", UtcTime, nullable=False),
        Column("document", _Json, nullable=False),
    )
    canaries = Table(
        "judge_canaries",
        metadata,
        Column("scorer", Text, primary_key=True),
        # Name of the scorer and its settings: what it takes to score again.
        Column("kind", String(4), nullable=False),
        Column("settings", _Json, nullable=False),
        # Labelled answers, whose texts may be what people wrote.
        Column("answers", _Json, nullable=False),
        Column("made_at", UtcTime, nullable=False),
    )
    days = Table(
        "judge_canary_days",
        metadata,
        Column("scorer", ForeignKey("judge_canaries.scorer", ondelete="CASCADE"), primary_key=True),
        # UTC, as 2026-11-28.
        Column("day", String(10), primary_key=True),
        # Score by answer; null if there was no verdict.
        Column("scores", _Json, nullable=False),
        Column("response_models", _Json, nullable=False),
    )
    return calibrations, canaries, days
