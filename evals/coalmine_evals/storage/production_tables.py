"""The tables of production: what scorers and people say of its requests. Made by `tables.py`."""

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from coalmine_registry.storage.columns import COUNTER, UtcTime

_Json: Final = JSON(none_as_null=True)


def scoring_tables(metadata: MetaData) -> tuple[Table, Table, Table]:
    """Returns the tables of scores, of how scoring goes, and of how far the store has been read."""
    # What scorers said of production requests. One row per request and metric, also of those without a value.
    production_scores = Table(
        "production_scores",
        metadata,
        Column("id", COUNTER, primary_key=True, autoincrement=True),
        Column("metric", Text, nullable=False),
        Column("request_id", String(36), nullable=False),
        Column("score_id", String(36), nullable=False),
        # Name and version of the scorer.
        Column("scorer", Text, nullable=False),
        Column("environment", Text, nullable=False),
        Column("prompt", Text, nullable=False),
        Column("version", Text, nullable=False),
        Column("experiment", Text),
        Column("arm", Text),
        # Hash of the unit: it tells units apart and names nobody.
        Column("unit", String(16), nullable=False),
        Column("stratum", Text, nullable=False),
        # That the request was taken.
        Column("probability", Float, nullable=False),
        # True: taken at the rate of all strata, so it is one of the metric's.
        Column("counts", Boolean, nullable=False),
        # None: unscored, for a reason.
        Column("value", Float),
        Column("reason", Text),
        Column("cost_nano_usd", Integer, nullable=False),
        Column("requested_at", UtcTime, nullable=False),
        Column("scored_at", UtcTime, nullable=False),
        # The event, until it is published.
        Column("event", _Json),
        UniqueConstraint("request_id", "metric"),
        Index("ix_production_scores_of", "environment", "prompt", "metric", "requested_at"),
        Index("ix_production_scores_experiment", "experiment", "metric", "arm"),
        Index("ix_production_scores_at", "scored_at"),
        Index("ix_production_scores_unpublished", "id", sqlite_where=text("event IS NOT NULL")),
    )

    # How scoring goes, for each metric of a prompt in an environment.
    production_state = Table(
        "production_state",
        metadata,
        Column("environment", Text, primary_key=True),
        Column("prompt", Text, primary_key=True),
        Column("metric", Text, primary_key=True),
        Column("rate", Float, nullable=False),
        # Rollout for which the rate is raised.
        Column("raised_for", Text),
        Column("scored_at", UtcTime),
        # Requests that were taken and have no score, since the last that has one.
        Column("missed", Integer, nullable=False),
        Column("missed_since", UtcTime),
        Column("cause", Text),
        Column("changed_at", UtcTime, nullable=False),
    )

    # How far the store has been read, by name of who reads.
    production_progress = Table(
        "production_progress",
        metadata,
        Column("name", String(20), primary_key=True),
        Column("ingest_id", COUNTER, nullable=False),
        Column("at", UtcTime, nullable=False),
    )
    return production_scores, production_state, production_progress


def review_tables(metadata: MetaData) -> tuple[Table, Table, Table]:
    """Returns the tables of items to review, of who looks at them, and of answers."""
    # Requests that people are asked about.
    review_items = Table(
        "review_items",
        metadata,
        Column("id", COUNTER, primary_key=True, autoincrement=True),
        Column("queue", Text, nullable=False),
        Column("request_id", String(36), nullable=False),
        Column("environment", Text, nullable=False),
        Column("prompt", Text, nullable=False),
        Column("version", Text, nullable=False),
        # `random`, or the flag that put it there.
        Column("why", Text, nullable=False),
        # That it is in the random part; None for those that a flag put there.
        Column("probability", Float),
        # People that are to answer.
        Column("wanted", Integer, nullable=False),
        Column("answered", Integer, nullable=False),
        Column("queued_at", UtcTime, nullable=False),
        Column("skipped", Text),
        UniqueConstraint("queue", "request_id"),
        Index("ix_review_items_queue", "queue", "id"),
        Index("ix_review_items_request", "request_id"),
    )

    # Who looks at an item just now: nobody else is given it meanwhile.
    review_claims = Table(
        "review_claims",
        metadata,
        Column("item", Integer, primary_key=True),
        Column("reviewer", Text, primary_key=True),
        Column("until", UtcTime, nullable=False),
    )

    # One answer to one question about one item.
    review_answers = Table(
        "review_answers",
        metadata,
        Column("id", COUNTER, primary_key=True, autoincrement=True),
        Column("item", Integer, nullable=False),
        Column("reviewer", Text, nullable=False),
        Column("question", Text, nullable=False),
        Column("answer", Text, nullable=False),
        Column("value", Float, nullable=False),
        # 1 for the first who answered: theirs is the score, others are for agreement.
        Column("turn", Integer, nullable=False),
        Column("at", UtcTime, nullable=False),
        Column("event", _Json),
        UniqueConstraint("item", "reviewer", "question"),
        Index("ix_review_answers_unpublished", "id", sqlite_where=text("event IS NOT NULL")),
    )
    return review_items, review_claims, review_answers
