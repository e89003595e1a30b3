"""Keeps the scores of production requests, how scoring goes, and how far the store has been read."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from coalmine_evals.storage.tables import production_progress, production_scores, production_state
from coalmine_registry.storage.database import Database

_AT_ONCE: Final = 500
"""Requests that one statement names."""
_LATEST: Final = 50
"""Scores that say what the next will cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductionScore:
    """What a scorer said of a request."""

    metric: str
    request_id: str
    score_id: str
    scorer: str
    environment: str
    prompt: str
    version: str
    experiment: str | None
    arm: str | None
    unit: str
    stratum: str
    probability: float
    counts: bool
    value: float | None
    """None: it could not be scored."""
    reason: str | None
    """Why not."""
    cost_nano_usd: int
    requested_at: datetime
    scored_at: datetime
    event: dict[str, Any] | None
    """To be published; None for what is no score of the metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringState:
    """How scoring of a metric goes, for one prompt in one environment."""

    environment: str
    prompt: str
    metric: str
    rate: float
    raised_for: str | None = None
    scored_at: datetime | None = None
    """Of the latest score."""
    missed: int = 0
    """Requests without a score, since then."""
    missed_since: datetime | None = None
    cause: str | None = None
    changed_at: datetime

    @property
    def key(self) -> tuple[str, str, str]:
        """Environment, prompt and metric."""
        return self.environment, self.prompt, self.metric


def progress_of(connection: Connection, name: str) -> tuple[int, datetime] | None:
    """Returns the last batch that was read under a name, and when; None if none was."""
    query = select(production_progress).where(production_progress.c.name == name)
    row = connection.execute(query).first()
    return None if row is None else (row.ingest_id, row.at)


def keep_progress(connection: Connection, name: str, ingest_id: int, at: datetime) -> None:
    """Notes the last batch that was read."""
    statement = insert(production_progress).values(name=name, ingest_id=ingest_id, at=at)
    statement = statement.on_conflict_do_update(
        index_elements=["name"], set_={"ingest_id": ingest_id, "at": at}
    )
    connection.execute(statement)


def add_scores(connection: Connection, scores: Sequence[ProductionScore]) -> None:
    """Keeps scores; a request has at most one of each metric, the first."""
    if scores:
        statement = insert(production_scores).on_conflict_do_nothing()
        connection.execute(statement, [asdict(each) for each in scores])


def scored_already(connection: Connection, metric: str, request_ids: Collection[str]) -> set[str]:
    """Returns those of some requests that are scored."""
    query = select(production_scores.c.request_id).where(
        production_scores.c.metric == metric, production_scores.c.request_id.in_(request_ids)
    )
    return set(connection.scalars(query))


def forget_scores(database: Database, request_ids: Collection[str]) -> int:
    """Takes out of scores whose calls they are about, and what waits to be published of their rationales.

    Returns:
        How many there were.
    """
    of_calls = production_scores.c.request_id

    def write(connection: Connection) -> int:
        units: dict[str, str] = {}
        found = [
            row
            for ids in _pieces(list(request_ids))
            for row in connection.execute(select(production_scores).where(of_calls.in_(ids)))
        ]
        for row in found:
            # Scores of one unit stay together: they are not independent.
            unit = units.setdefault(row.unit, token_hex(8))
            event = None if row.event is None else {**row.event, "rationale": None}
            values = {"unit": unit, "event": event}
            connection.execute(
                update(production_scores).where(production_scores.c.id == row.id).values(**values)
            )
        return len(found)

    return database.write(write)


def _pieces(request_ids: Sequence[str]) -> list[Sequence[str]]:
    return [request_ids[place : place + _AT_ONCE] for place in range(0, len(request_ids), _AT_ONCE)]


def spent_nano_usd(connection: Connection, day: datetime) -> int:
    """Returns what the scores of a UTC day have cost."""
    began = day.replace(hour=0, minute=0, second=0, microsecond=0)
    query = select(func.coalesce(func.sum(production_scores.c.cost_nano_usd), 0)).where(
        production_scores.c.scored_at >= began, production_scores.c.scored_at < began + timedelta(days=1)
    )
    return int(connection.execute(query).scalar_one())


def latest_costs(connection: Connection, metric: str, scorer: str) -> list[int]:
    """Returns what the latest scores of a scorer have cost, with those that failed and were paid for."""
    cost = production_scores.c.cost_nano_usd
    query = select(cost).where(
        production_scores.c.metric == metric,
        production_scores.c.scorer == scorer,
        or_(production_scores.c.value.is_not(None), cost > 0),
    )
    return list(connection.scalars(query.order_by(production_scores.c.id.desc()).limit(_LATEST)))


def units_scored(connection: Connection, experiment: str, metric: str) -> dict[str, int]:
    """Returns how many units of each arm of an experiment have a score."""
    query = (
        select(production_scores.c.arm, func.count(production_scores.c.unit.distinct()))
        .where(
            production_scores.c.experiment == experiment,
            production_scores.c.metric == metric,
            production_scores.c.counts,
            production_scores.c.value.is_not(None),
        )
        .group_by(production_scores.c.arm)
    )
    return {arm: units for arm, units in connection.execute(query) if arm is not None}


def states_of(
    connection: Connection, environment: str | None = None, prompt: str | None = None
) -> list[ScoringState]:
    """Returns how scoring goes, of one prompt or of all."""
    query = select(production_state).order_by(
        production_state.c.environment, production_state.c.prompt, production_state.c.metric
    )
    if environment is not None:
        query = query.where(production_state.c.environment == environment)
    if prompt is not None:
        query = query.where(production_state.c.prompt == prompt)
    return [_state(row) for row in connection.execute(query)]


def keep_states(connection: Connection, states: Sequence[ScoringState]) -> None:
    """Replaces how scoring goes."""
    keys = ("environment", "prompt", "metric")
    for each in states:
        values = asdict(each)
        changed = {name: value for name, value in values.items() if name not in keys}
        statement = insert(production_state).values(values)
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


def forget_before(connection: Connection, at: datetime) -> None:
    """Deletes scores of requests before a moment: requests and scores are gone from the store, too."""
    connection.execute(delete(production_scores).where(production_scores.c.requested_at < at))


def _state(row: Row[Any]) -> ScoringState:
    return ScoringState(**row._mapping)
